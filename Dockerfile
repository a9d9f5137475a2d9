# Consign in a container. How it is run is in docs/deployment.md; scripts/check-image tries what this makes.

FROM rust:1.95-bookworm AS build
WORKDIR /consign
COPY . .
RUN cargo build --release --locked --package consign && mkdir /empty

# What the binary links to, glibc and libgcc, and the authorities' certificates, for mail. It has no shell.
FROM gcr.io/distroless/cc-debian12
COPY --from=build /consign/target/release/consign /usr/local/bin/consign
# A new volume begins as the folder that is here, and so is the user's.
COPY --from=build --chown=65532:65532 /empty /data
ENV CONSIGN_DATA=/data CONSIGN_LISTEN=0.0.0.0:5000
USER 65532:65532
WORKDIR /data
VOLUME /data
EXPOSE 5000
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/consign"]
CMD ["serve"]
