//! The contract of a front end, checked over a real socket.
//!
//! A front end is whatever brings requests to an [`Api`] and its answers back. It proves that it
//! loses nothing on the way with one line, in a test of its own:
//!
//! ```
//! # mod own {
//! #     pub async fn serve(listener: std::net::TcpListener, api: consign_http::Api) { drop((listener, api)) }
//! # }
//! use std::net::TcpListener;
//! use consign_http::testing::{self, Setup, Target};
//!
//! async fn start(setup: Setup) -> Target {
//!     let listener = TcpListener::bind("127.0.0.1:0").unwrap();
//!     let address = listener.local_addr().unwrap();
//!     let api = testing::api(&setup, &format!("http://{address}"));
//!     let server = tokio::spawn(own::serve(listener, api));
//!     Target::new(address, testing::AbortOnDrop(server))
//! }
//!
//! testing::front_end_suite!(start);
//! # fn main() {}
//! ```
//!
//! The line becomes a module, `front_end` (or a name given before `start`), with one `#[test]` for
//! each scenario. Each asks `start` for a server of its own that listens on a loopback address,
//! knows no user and holds no file, and runs on a tokio runtime of its own. [`Setup`] holds nothing
//! that a server in another process could not be told as well. Attributes before all else, such as
//! `#[ignore = "needs PostgreSQL"]`, are those of each test.
//!
//! The server answers *all* paths, those that are none of the API's with the API's own 404, and at
//! the root of its address. It signs evidence, and does not limit how often it may be called.
//!
//! The scenarios are the API's reference (each call, each answer, each sentence) and what HTTP/1.1
//! does to it: early answers, broken bodies, chunks, `Expect`, connections that are kept. Nothing
//! in them waits for time to pass but one, which asks until a link of one second has expired.

mod answer;
mod client;
mod described;
mod forms;
mod hand_over;
mod site;

#[doc(hidden)]
pub mod accounts;
#[doc(hidden)]
pub mod audiences;
#[doc(hidden)]
pub mod audit;
#[doc(hidden)]
pub mod bodies;
#[doc(hidden)]
pub mod download;
#[doc(hidden)]
pub mod files;
#[doc(hidden)]
pub mod groups;
#[doc(hidden)]
pub mod lifetimes;
#[doc(hidden)]
pub mod managed;
#[doc(hidden)]
pub mod once;
#[doc(hidden)]
pub mod protocol;
#[doc(hidden)]
pub mod sessions;
#[doc(hidden)]
pub mod upload;

use std::{any::Any, future::Future, net::SocketAddr, pin::Pin, time::Duration};

use consign_core::{
    ClientRegistration, Consign, OperationsRegistration, Parts, Settings,
    evidence::{Ed25519Signer, EvidenceKeys},
    memory::{MemoryBlobs, MemoryStore},
    password::{ScryptHasher, ScryptParams},
    random::OsEntropy,
    time::{Clock, SystemClock},
    token::{JwtSigner, KeyRing},
};
use tokio::{runtime::Builder, task::JoinHandle};

/// A client that shows every byte, and what it sends: for a front end's own tests.
pub use self::{
    answer::Answer,
    client::{Connection, Request},
    described::Described,
    forms::{DOCX, Form, Kind, PPTX, XLSX, zip},
    hand_over::hand_over,
};
/// Checks a front end: see [`testing`](self).
#[doc(inline)]
pub use crate::__front_end_suite as front_end_suite;
use crate::Api;

/// No scenario takes nearly as long; one that does hangs.
const HANGS: Duration = Duration::from_secs(120);

/// What a scenario asks of its server.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Setup {
    /// Bytes that a file has at most.
    pub max_upload: u64,
    /// How long a download link lasts: whole seconds.
    pub link_lifetime: Duration,
    /// Who may register an operations user.
    pub operations_registration: OperationsRegistration,
    /// Who may register a client.
    pub client_registration: ClientRegistration,
}

impl Default for Setup {
    /// 8 MiB, 15 minutes; registration as it is by default.
    fn default() -> Self {
        let Settings {
            link_lifetime,
            operations_registration,
            client_registration,
            ..
        } = Settings::default();
        Self {
            max_upload: 8 << 20,
            link_lifetime,
            operations_registration,
            client_registration,
        }
    }
}

/// A server that was started for a scenario.
pub struct Target {
    /// Where it listens. Its public URL is `http://` and this.
    pub address: SocketAddr,
    /// Keeps it running until dropped.
    pub guard: Box<dyn Any + Send>,
}

impl Target {
    /// A server at this address that runs until `guard` is dropped.
    pub fn new(address: SocketAddr, guard: impl Any + Send) -> Self {
        Self {
            address,
            guard: Box::new(guard),
        }
    }
}

/// Ends a task when dropped: a [`Target`]'s guard for a server in the test's own process.
#[derive(Debug)]
pub struct AbortOnDrop<T>(pub JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The API over stores in memory, reached at `public_url`.
///
/// # Panics
/// When `public_url` is none.
pub fn api(setup: &Setup, public_url: &str) -> Api {
    let public_url = public_url.parse().expect("a public URL");
    Api::new(Consign::new(parts(), settings(setup)), public_url)
}

/// What a service for tests is made of: stores in memory, new keys, weak and quick password hashes;
/// the rest as usual.
pub fn parts() -> Parts {
    let store = MemoryStore::new();
    let ring = KeyRing::generate(&OsEntropy, SystemClock.now());
    let signer = JwtSigner::new(&ring, "https://consign.example");
    let evidence = EvidenceKeys::generate(&OsEntropy, SystemClock.now());
    Parts {
        evidence: Some(std::sync::Arc::new(Ed25519Signer::new(&evidence))),
        hasher: std::sync::Arc::new(ScryptHasher::new(ScryptParams::WEAK)),
        ..Parts::new(store.clone(), store, MemoryBlobs::new(), signer)
    }
}

/// The settings that a setup asks for.
pub fn settings(setup: &Setup) -> Settings {
    Settings {
        max_upload: setup.max_upload,
        link_lifetime: setup.link_lifetime,
        operations_registration: setup.operations_registration,
        client_registration: setup.client_registration,
        ..Settings::default()
    }
}

type Starting = Pin<Box<dyn Future<Output = Target>>>;

/// How to start a server.
#[doc(hidden)]
pub struct Start(Box<dyn Fn(Setup) -> Starting>);

impl Start {
    async fn server(&self, setup: Setup) -> Target {
        self.0(setup).await
    }
}

/// Runs a scenario on a runtime of its own.
#[doc(hidden)]
pub fn run<F>(start: impl Fn(Setup) -> F + 'static, scenario: impl AsyncFnOnce(&Start))
where
    F: Future<Output = Target> + 'static,
{
    let start = Start(Box::new(move |setup| Box::pin(start(setup))));
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime can be built");
    runtime.block_on(async {
        let scenario = tokio::time::timeout(HANGS, scenario(&start));
        scenario.await.expect("the scenario ends");
    });
    runtime.shutdown_background();
}

/// One `#[test]` per scenario of a group.
#[macro_export]
#[doc(hidden)]
macro_rules! __front_end_group {
    ($attributes:tt $start:path, $group:ident, [$($scenario:ident),* $(,)?]) => {
        mod $group {
            #[allow(unused_imports)]
            use super::*;

            $($crate::__front_end_scenario!($attributes $start, $group, $scenario);)*
        }
    };
}

/// One scenario, with the attributes that all of its suite have.
#[macro_export]
#[doc(hidden)]
macro_rules! __front_end_scenario {
    ({$($attributes:tt)*} $start:path, $group:ident, $scenario:ident) => {
        #[test]
        $($attributes)*
        fn $scenario() {
            $crate::testing::run($start, $crate::testing::$group::$scenario);
        }
    };
}

#[macro_export]
#[doc(hidden)]
macro_rules! __front_end_suite {
    ($(#[$attribute:meta])* $start:path) => {
        $crate::__front_end_groups!({$(#[$attribute])*} front_end, $start);
    };
    ($(#[$attribute:meta])* $name:ident, $start:path) => {
        $crate::__front_end_groups!({$(#[$attribute])*} $name, $start);
    };
}

#[macro_export]
#[doc(hidden)]
macro_rules! __front_end_groups {
    ($attributes:tt $name:ident, $start:path) => {
        mod $name {
            #[allow(unused_imports)]
            use super::*;

            $crate::__front_end_group!(
                $attributes $start,
                accounts,
                [
                    a_user_registers_and_signs_in,
                    what_is_absent_null_or_empty_is_missing,
                    names_and_addresses_are_taken_once,
                    passwords_are_counted_in_code_points,
                    names_and_addresses_that_are_none_are_refused,
                    the_first_operations_user_registers_freely,
                    of_many_at_once_one_is_the_first,
                    one_name_registered_many_times_at_once_is_taken_once,
                    registration_can_be_closed,
                    registration_can_be_open,
                    who_cannot_sign_in_is_not_told_why,
                    what_is_no_json_object_is_refused,
                    json_bodies_have_a_largest_size,
                    json_has_to_be_called_json,
                ]
            );
            $crate::__front_end_group!(
                $attributes $start,
                sessions,
                [
                    whoever_is_signed_in_is_told_who_they_are,
                    a_page_that_is_loaded_anew_goes_on,
                    the_cookie_opens_nothing_else,
                    signing_out_everywhere_ends_all,
                    a_new_password_ends_all,
                    passwords_are_changed_by_who_knows_them,
                ]
            );
            $crate::__front_end_group!(
                $attributes $start,
                upload,
                [
                    documents_are_taken,
                    only_operations_users_upload,
                    a_form_with_a_file_is_needed,
                    other_kinds_of_files_are_refused,
                    files_have_a_largest_size,
                    of_several_files_the_first_counts,
                    file_names_are_read_as_senders_write_them,
                    misleading_file_names_are_refused,
                    equal_names_are_kept_side_by_side,
                ]
            );
            $crate::__front_end_group!(
                $attributes $start,
                bodies,
                [
                    bodies_come_whole_or_in_chunks,
                    forms_are_read_as_the_standard_allows,
                    bodies_that_break_off_leave_nothing,
                    connections_that_break_off_leave_nothing,
                    a_client_may_ask_before_it_sends,
                    forms_have_bounds,
                    an_early_answer_reaches_one_who_still_sends,
                ]
            );
            $crate::__front_end_group!(
                $attributes $start,
                files,
                [
                    any_signed_in_user_sees_the_files,
                    the_list_comes_in_pages,
                    pages_that_cannot_be_are_refused,
                    files_are_found_by_parts_of_their_names,
                    clients_get_links,
                    only_clients_get_links,
                    a_link_is_for_one_version,
                    secrets_are_told_to_their_owners_alone,
                ]
            );
            $crate::__front_end_group!(
                $attributes $start,
                lifetimes,
                [
                    ends_are_said_shown_and_changed,
                    ends_that_cannot_be_are_refused,
                    a_removed_file_can_be_had_back,
                    removed_files_are_for_operations_in_pages,
                    groups_have_a_retention,
                ]
            );
            $crate::__front_end_group!(
                $attributes $start,
                download,
                [
                    whoever_holds_the_link_gets_the_file,
                    names_arrive_whole,
                    a_part_of_the_file_can_be_asked_for,
                    several_parts_of_the_file_can_be_asked_for,
                    what_a_client_has_already_is_not_sent_again,
                    what_is_no_link_opens_nothing,
                    links_expire,
                ]
            );
            $crate::__front_end_group!(
                $attributes $start,
                groups,
                [
                    groups_are_made_renamed_and_removed,
                    groups_have_names_of_their_own,
                    groups_come_in_pages,
                    clients_are_taken_into_groups_and_out_of_them,
                    members_come_in_pages,
                    what_is_no_group_is_not_found,
                ]
            );
            $crate::__front_end_group!(
                $attributes $start,
                audiences,
                [
                    a_file_is_there_for_its_audience_alone,
                    a_file_is_shown_and_removed_by_its_id,
                    what_narrows_an_audience_ends_links_at_once,
                    whom_a_file_is_for_is_told_to_operations_alone,
                    who_is_no_more_is_left_out,
                    an_upload_says_whom_it_is_for,
                    audiences_that_cannot_be_are_refused,
                    uploads_for_such_are_refused_before_they_come,
                ]
            );
            $crate::__front_end_group!(
                $attributes $start,
                managed,
                [
                    managed_links_hand_files_over,
                    links_are_made_with_bounds,
                    what_a_link_cannot_be_is_named,
                    links_are_their_makers_alone,
                    links_are_edited_and_revoked_at_once,
                    looking_at_a_link_counts_nothing,
                    a_link_that_is_not_available_says_no_more,
                    a_password_guards_a_link,
                    a_link_for_a_recipient_opens_for_them,
                    browsers_see_a_page,
                    several_files_come_as_one_archive,
                    of_several_files_one_can_be_had,
                    racers_never_overshoot_a_budget,
                ]
            );
            $crate::__front_end_group!(
                $attributes $start,
                once,
                [
                    what_comes_twice_is_done_once,
                    keys_that_are_none_are_refused,
                ]
            );
            $crate::__front_end_group!(
                $attributes $start,
                audit,
                [
                    whether_it_was_downloaded_is_told,
                    a_lease_tells_whose_download_it_was,
                    part_of_a_file_is_not_the_file,
                    receipts_are_given_to_those_whom_it_concerns,
                    the_trail_is_read_in_pages,
                    the_key_is_told_to_anybody,
                ]
            );
            $crate::__front_end_group!(
                $attributes $start,
                protocol,
                [
                    the_root_says_what_this_is,
                    other_paths_are_not_found,
                    other_methods_are_not_allowed,
                    each_call_asks_who_makes_it,
                    targets_that_are_no_paths_do_no_harm,
                    what_is_no_http_does_no_harm,
                    connections_are_kept,
                    odd_requests_are_answered,
                ]
            );
        }
    };
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_scenario_is_in_the_suite() {
        let this = include_str!("mod.rs");
        for group in [
            include_str!("accounts.rs"),
            include_str!("audiences.rs"),
            include_str!("audit.rs"),
            include_str!("bodies.rs"),
            include_str!("download.rs"),
            include_str!("files.rs"),
            include_str!("groups.rs"),
            include_str!("managed.rs"),
            include_str!("once.rs"),
            include_str!("protocol.rs"),
            include_str!("upload.rs"),
        ] {
            let functions = group
                .lines()
                .filter_map(|line| line.strip_prefix("pub async fn "));
            for name in functions.filter_map(|line| line.split('(').next()) {
                let listed = this.lines().any(|line| line.trim() == format!("{name},"));
                assert!(listed, "{name} is in no test");
            }
        }
    }
}
