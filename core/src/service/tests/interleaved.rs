//! Calls that meet, in any order of their steps.
//!
//! Every step of every call halts, and the test chooses which goes on, so that nothing but one call's
//! way from one step to its next happens at a time. What is stored is looked at between any two
//! steps; an answer must be explained by what was stored while its call went on.

mod history;

use std::collections::BTreeMap;

use proptest::{prelude::*, sample::Index};
use sha2::Digest;
use tokio::task::JoinSet;

use self::history::{History, Times};
use super::*;
use crate::{
    file::Sha256,
    id::FileId,
    testing::rig::Halt,
    token::Purpose,
    user::Status::{self, *},
};

const USERS: [(&str, Role); 4] = [
    ("olga", Role::Operations),
    ("omar", Role::Operations),
    ("carl", Role::Client),
    ("cora", Role::Client),
];
const NAMES: [&str; 2] = ["a.docx", "b.docx"];
const OTHER_PASSWORD: &str = "another horse";
const HOUR: Duration = Duration::from_secs(3600);

/// No step takes nearly as long.
const HANGS: Duration = Duration::from_secs(60);

/// A call. Users, names, files and links are those of the beginning.
#[derive(Clone, Debug)]
enum Act {
    Upload {
        by: usize,
        name: usize,
        whole: bool,
    },
    Delete {
        by: usize,
        file: usize,
    },
    Link {
        by: usize,
        name: usize,
    },
    Open {
        link: usize,
    },
    Authenticate {
        who: usize,
    },
    LogIn {
        who: usize,
    },
    LogOut {
        who: usize,
    },
    Status {
        who: usize,
        status: Status,
    },
    Role {
        who: usize,
        role: Role,
    },
    Password {
        who: usize,
    },
    EndSessions {
        who: usize,
    },
    /// A sweep of what is older than so many hours.
    Sweep {
        hours: u32,
    },
    Wait {
        hours: u32,
    },
}

fn act() -> impl Strategy<Value = Act> {
    let who = || 0..USERS.len();
    // Mostly by someone who may.
    let operations = || prop_oneof![8 => 0..2_usize, 1 => who()];
    let client = || prop_oneof![8 => 2..4_usize, 1 => who()];
    let status = prop_oneof![2 => Just(Disabled), 1 => Just(Active)];
    let role = prop_oneof![Just(Role::Client), Just(Role::Operations)];
    prop_oneof![
        4 => (operations(), 0..NAMES.len(), prop::bool::weighted(0.8))
            .prop_map(|(by, name, whole)| Act::Upload { by, name, whole }),
        3 => (operations(), 0..NAMES.len()).prop_map(|(by, file)| Act::Delete { by, file }),
        3 => (client(), 0..NAMES.len()).prop_map(|(by, name)| Act::Link { by, name }),
        4 => (0..4_usize).prop_map(|link| Act::Open { link }),
        1 => who().prop_map(|who| Act::Authenticate { who }),
        1 => who().prop_map(|who| Act::LogIn { who }),
        1 => who().prop_map(|who| Act::LogOut { who }),
        2 => (who(), status).prop_map(|(who, status)| Act::Status { who, status }),
        2 => (who(), role).prop_map(|(who, role)| Act::Role { who, role }),
        1 => who().prop_map(|who| Act::Password { who }),
        1 => who().prop_map(|who| Act::EndSessions { who }),
        3 => (0..4_u32).prop_map(|hours| Act::Sweep { hours }),
        1 => (1..4_u32).prop_map(|hours| Act::Wait { hours }),
    ]
}

/// What a call gave.
#[derive(Clone, Debug)]
enum Got {
    File(File),
    Link(Link),
    Bytes(Vec<u8>),
    Session(Session),
    User(User),
    Nothing,
}

type Answer = Result<Got, ErrorKind>;

#[test]
fn whatever_the_order_of_their_steps_calls_keep_what_they_promise() {
    let cases = std::env::var("CONSIGN_INTERLEAVINGS").map_or(400, |text| {
        text.parse().expect("CONSIGN_INTERLEAVINGS is a number")
    });
    let config = ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let (calls, steps) = (AtomicU64::new(0), AtomicU64::new(0));
    let acts = prop::collection::vec(act(), 2..10);
    let choices = prop::collection::vec(any::<Index>(), 160);
    proptest!(config, |(acts in acts, choices in choices)| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        calls.fetch_add(acts.len() as u64, Ordering::Relaxed);
        let taken = runtime.block_on(Play::new()).run(&runtime, acts, &choices)?;
        steps.fetch_add(taken as u64, Ordering::Relaxed);
    });
    println!("{cases} orders of {calls:?} calls in {steps:?} steps");
}

/// A service in use, and what its users have.
struct Play {
    world: World,
    users: Vec<User>,
    sessions: Vec<String>,
    files: Vec<File>,
    /// Two of each client's.
    links: Vec<Link>,
}

impl Play {
    async fn new() -> Arc<Self> {
        let world = World::with(Settings {
            access_lifetime: DAY * 30,
            link_lifetime: DAY * 7,
            removal_grace: Duration::ZERO,
            ..Settings::default()
        });
        let mut users = Vec::new();
        let mut sessions = Vec::new();
        for (name, role) in USERS {
            users.push(world.user(name, role).await);
            sessions.push(world.session(name).await.token);
        }
        let olga = world.consign.authenticate(&sessions[0]).await.unwrap();
        let mut files = Vec::new();
        for name in NAMES {
            let file = world.upload(&olga, name, name.as_bytes()).await;
            files.push(file.unwrap());
        }
        let mut links = Vec::new();
        for session in &sessions[2..] {
            let client = world.consign.authenticate(session).await.unwrap();
            for name in NAMES {
                links.push(world.link(&client, name).await);
            }
        }
        // What a crash may have left: a stage, and a blob that nothing references.
        let mut stage = world.memory.begin().await.unwrap();
        stage.append(0, "left".into()).await.unwrap();
        world.memory.begin().await.unwrap();
        stage
            .publish(crate::id::BlobKey::from_bytes([9; 16]))
            .await
            .unwrap();
        world.clock.advance(HOUR);
        // Waiting for a turn is no step: there is one for everybody.
        world.consign.0.inspecting.add_permits(100);
        Arc::new(Self {
            world,
            users,
            sessions,
            files,
            links,
        })
    }

    /// Runs the calls, and gives the number of steps that it took.
    fn run(
        self: Arc<Self>,
        runtime: &tokio::runtime::Runtime,
        acts: Vec<Act>,
        choices: &[Index],
    ) -> Result<usize, TestCaseError> {
        runtime.block_on(async {
            let (history, answers) = self.interleave(&acts, choices).await;
            history.check()?;
            for ((act, answer), times) in acts.iter().zip(&answers.0).zip(&answers.1) {
                let window = history.window(times);
                let explained = self.explains(&window, act, answer);
                prop_assert!(
                    explained,
                    "{act:?} was answered with {answer:?}: {window:#?}"
                );
            }
            self.adds_up(&history, &acts, &answers.0)?;
            self.comes_to_rest(&answers.0).await?;
            Ok(history.len())
        })
    }

    /// Answers, in the order of the calls, and when each call went on.
    async fn interleave(
        self: &Arc<Self>,
        acts: &[Act],
        choices: &[Index],
    ) -> (History, (Vec<Answer>, Vec<Times>)) {
        let mut gate = self.world.rig.gate();
        let mut history = History::default();
        history.look(&self.world).await;
        let mut halted: Vec<(usize, Halt)> = Vec::new();
        let mut running = JoinSet::new();
        let mut answers: BTreeMap<usize, Answer> = BTreeMap::new();
        let mut times: Vec<Times> = Vec::new();
        let mut choices = choices.iter();
        while times.len() < acts.len() || !halted.is_empty() {
            let more = usize::from(times.len() < acts.len());
            // Without choices left, what waits longest goes first.
            let choice = choices
                .next()
                .map_or(0, |choice| choice.index(halted.len() + more));
            let call = if choice < halted.len() {
                let (call, halt) = halted.remove(choice);
                if halt.step == "body" {
                    times[call].last_byte = history.len();
                }
                halt.release();
                call
            } else {
                let (call, play) = (times.len(), Arc::clone(self));
                let act = acts[call].clone();
                times.push(Times::from(history.len() - 1));
                running.spawn(async move { play.perform(call, act).await });
                call
            };
            // Only that one goes on: to its next step, or to its end.
            tokio::select! {
                Some(halt) = gate.recv() => halted.push((call, halt)),
                Some(ended) = running.join_next() => {
                    answers.insert(call, ended.expect("no call panics"));
                    times[call].to = history.len();
                }
                () = tokio::time::sleep(HANGS) => panic!("a call neither halts nor ends: {acts:?}"),
            }
            history.look(&self.world).await;
        }
        let answers = answers.into_values().collect();
        (history, (answers, times))
    }

    async fn perform(&self, n: usize, act: Act) -> Answer {
        let consign = &self.world.consign;
        let administration = consign.administration();
        let actor = async |who: usize| consign.authenticate(&self.sessions[who]).await;
        let named = |who: usize| username(USERS[who].0);
        let done: Result<Got, Error> = async {
            Ok(match act {
                Act::Upload { by, name, whole } => {
                    let permit = consign.permit_upload(&actor(by).await?)?;
                    let chunks = vec![Bytes::from(content(n)), Bytes::from_static(b".")];
                    let end = (!whole).then(|| Err(BodyError::Incomplete("cut".into())));
                    let body = self.world.rig.body(chunks).chain(stream::iter(end));
                    let name = file_name(NAMES[name]);
                    Got::File(consign.upload(permit, name, body).await?)
                }
                Act::Delete { by, file } => {
                    let id = self.files[file].entry.id;
                    Got::File(consign.delete(&actor(by).await?, id).await?)
                }
                Act::Link { by, name } => {
                    Got::Link(consign.link(&actor(by).await?, NAMES[name]).await?)
                }
                Act::Open { link } => {
                    let file = consign.open(&self.links[link].token).await?;
                    Got::Bytes(file.read_all(1 << 20).await?.to_vec())
                }
                Act::Authenticate { who } => Got::User(actor(who).await?.user().clone()),
                Act::LogIn { who } => {
                    let session = consign.login(USERS[who].0, password(PASSWORD)).await?;
                    Got::Session(session)
                }
                Act::LogOut { who } => {
                    consign.log_out_everywhere(&actor(who).await?).await?;
                    Got::Nothing
                }
                Act::Status { who, status } => {
                    Got::User(administration.set_status(&named(who), status).await?)
                }
                Act::Role { who, role } => {
                    Got::User(administration.set_role(&named(who), role).await?)
                }
                Act::Password { who } => {
                    let new = password(OTHER_PASSWORD);
                    Got::User(administration.set_password(&named(who), new).await?)
                }
                Act::EndSessions { who } => {
                    Got::User(administration.end_sessions(&named(who)).await?)
                }
                Act::Sweep { hours } => {
                    administration.sweep(HOUR * hours, |_| ()).await?;
                    Got::Nothing
                }
                Act::Wait { hours } => {
                    self.world.clock.advance(HOUR * hours);
                    Got::Nothing
                }
            })
        }
        .await;
        done.map_err(|error| error.kind())
    }

    /// Every change of a user took effect once, and so did every upload and every removal; what was
    /// refused left nothing.
    fn adds_up(
        &self,
        history: &History,
        acts: &[Act],
        answers: &[Answer],
    ) -> Result<(), TestCaseError> {
        let mut epochs: Vec<u32> = self.users.iter().map(|user| user.session_epoch).collect();
        let mut files: Vec<FileId> = self.files.iter().map(|file| file.entry.id).collect();
        for (act, answer) in acts.iter().zip(answers) {
            let Ok(got) = answer else { continue };
            match (act, got) {
                (
                    Act::Status { who, .. }
                    | Act::Role { who, .. }
                    | Act::Password { who }
                    | Act::EndSessions { who }
                    | Act::LogOut { who },
                    _,
                ) => epochs[*who] += 1,
                (Act::Upload { .. }, Got::File(file)) => files.push(file.entry.id),
                (Act::Delete { .. }, Got::File(file)) => {
                    let before = files.len();
                    files.retain(|id| *id != file.entry.id);
                    prop_assert_eq!(files.len(), before - 1, "a file is removed once");
                }
                _ => {}
            }
        }
        let last = history.last();
        let mut stored: Vec<FileId> = last.files.iter().map(|file| file.entry.id).collect();
        stored.sort_unstable();
        files.sort_unstable();
        prop_assert_eq!(stored, files);
        for (user, epoch) in self.users.iter().zip(epochs) {
            prop_assert_eq!(last.user(user.id).session_epoch, epoch, "{}", user.username);
        }
        Ok(())
    }

    /// When all is quiet: what is stored is whole and no more than it must be, and every token and
    /// link that was ever given works exactly when its user and its file are still what they were.
    async fn comes_to_rest(&self, answers: &[Answer]) -> Result<(), TestCaseError> {
        let world = &self.world;
        world.rig.disarm();
        world.settle().await;
        world.clock.advance(DAY * 2);
        let administration = world.consign.administration();
        administration.sweep(DAY, |_| ()).await.unwrap();
        let files = world.files().await;
        prop_assert_eq!(world.kept().await, [0, files.len(), files.len()]);

        let mut history = History::default();
        history.look(world).await;
        let now = history.last();
        let given = |answer: &Answer| match answer {
            Ok(Got::Session(session)) => Some(session.token.clone()),
            _ => None,
        };
        for token in self
            .sessions
            .iter()
            .cloned()
            .chain(answers.iter().filter_map(given))
        {
            let claims = world.consign.verify(Purpose::Access, &token).unwrap();
            let user = now.user(claims.subject);
            let good = user.status == Active && user.session_epoch == claims.epoch;
            let authenticated = world.consign.authenticate(&token).await;
            prop_assert_eq!(authenticated.is_ok(), good, "a session of {:?}", user);
        }
        let given = answers.iter().filter_map(|answer| match answer {
            Ok(Got::Link(link)) => Some(link),
            _ => None,
        });
        for link in self.links.iter().chain(given) {
            let claims = world
                .consign
                .verify(Purpose::Download, &link.token)
                .unwrap();
            let good = now.may_open(claims.subject, claims.epoch, link.file.entry.id);
            let received = world.download(&link.token).await;
            prop_assert_eq!(received.is_ok(), good, "{:?}", link);
            if let Ok(received) = received {
                let digest = Sha256(sha2::Sha256::digest(&received).into());
                prop_assert_eq!(digest, link.file.entry.sha256);
            }
        }
        Ok(())
    }
}

/// What the call of this number uploads, less its last byte.
fn content(n: usize) -> String {
    format!("of call {n}")
}
