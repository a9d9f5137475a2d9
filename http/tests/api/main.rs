//! The API without a front end: what needs a clock, a store or a body of the test's own.
#![cfg(feature = "testing")]
#![allow(clippy::unwrap_used)] // clippy knows tests, but not the functions they share

mod audiences;
mod bounds;
mod chunks;
mod codes;
mod corpus;
mod described;
mod failures;
mod faulty;
mod matrix;
mod ranges;
mod rates;
mod site;
mod support;
mod tokens;

use http_body_util::Full;

#[test]
fn futures_can_move_between_threads() {
    fn is_send<T: Send>(_: T) {}
    let room = support::Room::new();
    let request = http::Request::new(Full::<bytes::Bytes>::default());
    is_send(room.api.handle(request.clone()));
    is_send(tower_service::Service::call(&mut room.api.clone(), request));
    fn is_shared<T: Send + Sync + Clone + 'static>(_: &T) {}
    is_shared(&room.api);
    fn is_sync<T: Sync>() {}
    is_sync::<consign_http::Body>();
}
