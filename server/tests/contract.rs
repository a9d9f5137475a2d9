//! The binary keeps the contract of a front end.
#![allow(clippy::unwrap_used)] // clippy knows tests, but not the functions they share

mod support;

use consign_http::testing::{self, Setup, Target};
use support::Server;

testing::front_end_suite!(start);

async fn start(setup: Setup) -> Target {
    let server = Server::with(|command| {
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
    });
    Target::new(server.address, server)
}
