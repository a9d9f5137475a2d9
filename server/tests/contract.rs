//! The binary keeps the contract of a front end, by HTTP and by HTTPS, on each pair of stores.
#![allow(clippy::unwrap_used)] // clippy knows tests, but not the functions they share

mod support;

use std::{process::Command, sync::Arc};

use consign_http::testing::{self, Setup, Target};
use support::{
    Home, Server,
    engines::Engines,
    tls::{self, Carrier, Identity},
};

testing::front_end_suite!(start);
testing::front_end_suite!(by_https, start_with_tls);
testing::front_end_suite!(
    #[ignore = "needs PostgreSQL: see scripts/engines"]
    postgres_and_fs,
    start_on_postgres
);
testing::front_end_suite!(
    #[ignore = "needs S3: see scripts/engines"]
    redb_and_s3,
    start_on_s3
);
testing::front_end_suite!(
    #[ignore = "needs PostgreSQL and S3: see scripts/engines"]
    postgres_and_s3,
    start_on_both
);

async fn start(setup: Setup) -> Target {
    let server = Server::with(|command| set(command, &setup));
    Target::new(server.address, server)
}

async fn start_on_postgres(setup: Setup) -> Target {
    start_on(Engines::postgres(), &setup)
}

async fn start_on_s3(setup: Setup) -> Target {
    start_on(Engines::s3().await, &setup)
}

async fn start_on_both(setup: Setup) -> Target {
    start_on(Engines::both().await, &setup)
}

fn start_on(engines: Engines, setup: &Setup) -> Target {
    let home = Home::of(&Arc::new(engines));
    let server = Server::on(&home, |command| set(command, setup));
    Target::new(server.address, server)
}

/// The clients know no TLS: somebody carries what they say.
async fn start_with_tls(setup: Setup) -> Target {
    let (home, identity) = (Home::new(), Arc::new(Identity::new()));
    identity.install(&home);
    let mut carrier = Carrier::bind().await;
    let server = tls::serve(&home, |command| {
        set(command, &setup);
        command.arg(format!("--public-url=http://{}", carrier.address));
    });
    carrier.carry(identity, server.address);
    Target::new(carrier.address, (server, carrier))
}

fn set(command: &mut Command, setup: &Setup) {
    command.args([
        format!("--max-upload={}", setup.max_upload),
        format!("--link-lifetime={}s", setup.link_lifetime.as_secs()),
        format!(
            "--operations-registration={}",
            format!("{:?}", setup.operations_registration).to_lowercase()
        ),
        format!(
            "--client-registration={}",
            format!("{:?}", setup.client_registration).to_lowercase()
        ),
    ]);
}
