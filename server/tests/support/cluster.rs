//! Several nodes on stores that they share.

use std::{
    fs,
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use super::{Home, Server, engines::Engines};

/// Nodes that are one installation.
pub struct Cluster {
    pub nodes: Vec<Server>,
    pub engines: Arc<Engines>,
    turns: AtomicUsize,
}

impl Cluster {
    /// So many nodes, each with these flags.
    pub async fn new(nodes: usize, flags: impl Fn(&mut Command)) -> Self {
        Self::on(Engines::both().await, nodes, flags)
    }

    /// So many nodes of these engines.
    pub fn on(engines: Engines, nodes: usize, flags: impl Fn(&mut Command)) -> Self {
        let mut this = Self {
            nodes: Vec::new(),
            engines: Arc::new(engines),
            turns: AtomicUsize::new(0),
        };
        for _ in 0..nodes {
            this.add(&flags);
        }
        this
    }

    /// One node more.
    pub fn add(&mut self, flags: impl FnOnce(&mut Command)) -> &Server {
        self.join(|home| Server::on(home, flags))
    }

    /// One node more, as it is started here: it is given the key that the first has made.
    pub fn join(&mut self, start: impl FnOnce(&Arc<Home>) -> Server) -> &Server {
        let home = Home::of(&self.engines);
        if let Some(first) = self.nodes.first() {
            copy_key(&first.home, &home);
        }
        self.nodes.push(start(&home));
        &self.nodes[self.nodes.len() - 1]
    }

    /// The nodes, one after another, for ever.
    pub fn turn(&self) -> &Server {
        let turn = self.turns.fetch_add(1, Ordering::SeqCst);
        &self.nodes[turn % self.nodes.len()]
    }

    /// Kills a node, and gives its place.
    pub fn kill(&mut self, node: usize) -> Arc<Home> {
        self.nodes.remove(node).kill()
    }

    /// Has a place of a node that has ended serve again.
    pub fn revive(&mut self, home: &Arc<Home>, flags: impl FnOnce(&mut Command)) {
        self.nodes.push(Server::on(home, flags));
    }
}

/// As an operator does it.
pub fn copy_key(from: &Home, to: &Home) {
    let key = fs::read(from.data().join("cluster-key")).unwrap();
    let mut folder = fs::DirBuilder::new();
    folder
        .recursive(true)
        .mode(0o700)
        .create(to.data())
        .unwrap();
    let mut options = fs::OpenOptions::new();
    let file = options.write(true).create_new(true).mode(0o600);
    let mut file = file.open(to.data().join("cluster-key")).unwrap();
    file.write_all(&key).unwrap();
}
