//! The REST service of the examples keeps the contract of a front end, as a process of its own.

mod support;

use consign_http::testing::{Setup, Target};

consign_http::testing::front_end_suite!(start);

async fn start(setup: Setup) -> Target {
    let settings = [
        ("MAX_UPLOAD", setup.max_upload.to_string()),
        ("LINK_SECONDS", setup.link_lifetime.as_secs().to_string()),
        ("OPERATIONS", setup.operations_registration.to_string()),
        ("CLIENTS", setup.client_registration.to_string()),
    ];
    let server = support::Server::start(env!("CARGO_BIN_EXE_rest_service"), &settings);
    Target::new(server.address, server)
}
