//! Stores that fail when they are told to.

use std::sync::Arc;

use consign_core::{
    Parts,
    testing::rig::{At, Fault, MakeError, Rig, RiggedBlobs, RiggedFiles, RiggedUsers},
};
use consign_http::testing;

/// Parts whose users, catalogue and blobs fail when they are told to, each on its own.
pub fn faulty() -> (Parts, [Arc<Rig>; 3]) {
    let parts = testing::parts();
    let rigs = [(); 3].map(|()| Arc::<Rig>::default());
    let [users, files, blobs] = &rigs;
    let faulty = Parts {
        users: Arc::new(RiggedUsers::new(parts.users, users)),
        files: Arc::new(RiggedFiles::new(parts.files, files)),
        blobs: Arc::new(RiggedBlobs::new(parts.blobs, blobs)),
        ..parts
    };
    (faulty, rigs)
}

/// Whatever the store is asked, this is its answer.
pub fn fail(rig: &Rig, error: MakeError) {
    rig.strike(At::Any, Fault::Fail(error));
}
