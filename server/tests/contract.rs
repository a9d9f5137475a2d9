//! The binary keeps the contract of a front end, by HTTP and by HTTPS.
#![allow(clippy::unwrap_used)] // clippy knows tests, but not the functions they share

mod support;

use std::{process::Command, sync::Arc};

use consign_http::testing::{self, Setup, Target};
use support::{
    Home, Server,
    tls::{self, Carrier, Identity},
};

testing::front_end_suite!(start);
testing::front_end_suite!(by_https, start_with_tls);

async fn start(setup: Setup) -> Target {
    let server = Server::with(|command| set(command, &setup));
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
