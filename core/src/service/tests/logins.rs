use std::sync::Mutex;

use async_trait::async_trait;

use super::*;
use crate::{
    error::ErrorKind::*,
    password::{HashError, PasswordHash, PasswordHasher, Verdict},
    store::UserStore,
    user::Status,
};

#[tokio::test]
async fn every_failed_login_is_the_same() {
    let world = World::new();
    let calls = Arc::new(Watching::default());
    let watched = world.other(|parts, _| parts.hasher = Arc::clone(&calls) as _);
    world.user("ann", Role::Client).await;
    world.user("off", Role::Client).await;
    world
        .consign
        .administration()
        .set_status(&username("off"), Status::Disabled)
        .await
        .unwrap();
    let long = "x".repeat(151);
    for (name, pass, known) in [
        ("ann", "wrong horse", true),
        ("ann", "", true),
        ("Ann", PASSWORD, false),
        ("nobody", PASSWORD, false),
        ("", PASSWORD, false),
        ("a\0b", PASSWORD, false),
        (&long, PASSWORD, false),
        ("off", PASSWORD, true),
        ("off", "wrong horse", true),
    ] {
        let error = watched.login(name, password(pass)).await.unwrap_err();
        assert_eq!(error.kind(), InvalidCredentials, "{name:?}");
        assert_eq!(error.detail(), None);
        assert!(std::error::Error::source(&error).is_none());
        assert_eq!(error.to_string(), "wrong username or password");
        let calls = std::mem::take(&mut *calls.0.lock().unwrap());
        assert_eq!(calls, [known], "one verification, whoever it is: {name:?}");
    }
    watched.login("ann", password(PASSWORD)).await.unwrap();
}

#[tokio::test]
async fn a_hash_that_cannot_be_read_lets_nobody_in() {
    let world = World::new();
    let user = world.user("ann", Role::Client).await;
    for text in [
        "",
        "correct horse",
        "$scrypt$ln=63,r=8,p=1$c2FsdHNhbHRzYWx0$AAAAAAAAAAAAAAAAAAAA",
    ] {
        let change = crate::user::UserChange::Password(PasswordHash::new(text.to_owned()));
        world.store.update(user.id, change, vec![]).await.unwrap();
        for given in [PASSWORD, "", text] {
            let login = world.consign.login("ann", password(given)).await;
            assert_eq!(refusal(login), InvalidCredentials, "{text:?}");
        }
    }
}

#[tokio::test]
async fn a_busy_hasher_is_told() {
    let world = World::new();
    world.user("ann", Role::Client).await;
    let actor = world.actor("ann").await;
    let busy = world.other(|parts, _| parts.hasher = Arc::new(Fixed(None)));
    assert_eq!(refusal(busy.login("ann", password(PASSWORD)).await), Busy);
    assert_eq!(
        refusal(busy.login("nobody", password(PASSWORD)).await),
        Busy
    );
    assert_eq!(
        refusal(busy.register(registration("bob", Role::Client), None).await),
        Busy
    );
    assert_eq!(
        refusal(
            busy.change_password(&actor, password(PASSWORD), password(PASSWORD))
                .await
        ),
        Busy
    );
    assert_eq!(
        UserStore::list(&world.store, None, 9)
            .await
            .unwrap()
            .items
            .len(),
        1
    );
}

#[tokio::test]
async fn a_hash_of_old_parameters_is_made_anew_at_login() {
    let world = World::new();
    let before = world.user("ann", Role::Client).await;
    let session = world.session("ann").await;
    let events = world.events().await;
    let params = ScryptParams::new(5, 1, 1).unwrap();
    let newer = world.other(|parts, _| parts.hasher = Arc::new(ScryptHasher::new(params)));

    assert_eq!(
        refusal(newer.login("ann", password("wrong horse")).await),
        InvalidCredentials
    );
    assert_eq!(
        UserStore::by_id(&world.store, before.id)
            .await
            .unwrap()
            .unwrap(),
        before
    );
    newer.login("ann", password(PASSWORD)).await.unwrap();
    let after = UserStore::by_id(&world.store, before.id)
        .await
        .unwrap()
        .unwrap();
    assert!(after.password.expose().starts_with("$scrypt$ln=5,"));
    assert_eq!(
        User {
            password: before.password.clone(),
            ..after.clone()
        },
        before,
        "nothing else"
    );
    newer.login("ann", password(PASSWORD)).await.unwrap();
    let again = UserStore::by_id(&world.store, before.id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(again.password, after.password, "the new one is not old");
    world
        .consign
        .authenticate(&session.token)
        .await
        .expect("no session ends by it");
    assert_eq!(world.events().await, events);
}

#[tokio::test]
async fn an_upgrade_that_fails_keeps_nobody_out() {
    let world = World::new();
    let before = world.user("ann", Role::Client).await;
    let busy = world.other(|parts, _| parts.hasher = Arc::new(Fixed(Some(Verdict::RightButOld))));
    let session = busy.login("ann", password(PASSWORD)).await.unwrap();
    world.consign.authenticate(&session.token).await.unwrap();

    let params = ScryptParams::new(5, 1, 1).unwrap();
    let newer = world.other(|parts, _| parts.hasher = Arc::new(ScryptHasher::new(params)));
    world.rig.fail_at("update");
    let session = newer.login("ann", password(PASSWORD)).await.unwrap();
    world.rig.disarm();
    world.consign.authenticate(&session.token).await.unwrap();
    assert_eq!(
        UserStore::by_id(&world.store, before.id)
            .await
            .unwrap()
            .unwrap(),
        before
    );
}

/// The password was changed between the verification and the upgrade: the new one stays.
#[tokio::test]
async fn an_upgrade_never_brings_an_old_password_back() {
    let world = World::new();
    world.user("ann", Role::Client).await;
    let params = ScryptParams::new(5, 1, 1).unwrap();
    let newer = world.other(|parts, _| parts.hasher = Arc::new(ScryptHasher::new(params)));
    world.rig.hold_at("update");
    let mut login = tokio::spawn(async move { newer.login("ann", password(PASSWORD)).await });
    world.rig.reached_by(&mut login).await;
    world.rig.disarm();
    let administration = world.consign.administration();
    administration
        .set_password(&username("ann"), password("another horse"))
        .await
        .unwrap();
    world.rig.release();
    let session = login.await.unwrap().unwrap();
    assert_eq!(
        refusal(world.consign.authenticate(&session.token).await),
        InvalidToken
    );
    assert_eq!(
        refusal(world.consign.login("ann", password(PASSWORD)).await),
        InvalidCredentials
    );
    world
        .consign
        .login("ann", password("another horse"))
        .await
        .unwrap();
}

/// Records whether each verification was of someone known.
#[derive(Debug, Default)]
struct Watching(Mutex<Vec<bool>>);

#[async_trait]
impl PasswordHasher for Watching {
    async fn hash(&self, _: Password) -> Result<PasswordHash, HashError> {
        panic!("nothing is to be hashed");
    }

    async fn verify(
        &self,
        password: Password,
        hash: Option<PasswordHash>,
    ) -> Result<Verdict, HashError> {
        self.0.lock().unwrap().push(hash.is_some());
        ScryptHasher::new(ScryptParams::WEAK)
            .verify(password, hash)
            .await
    }
}

/// Finds what it is told to, and is always too busy for more.
#[derive(Debug)]
struct Fixed(Option<Verdict>);

#[async_trait]
impl PasswordHasher for Fixed {
    async fn hash(&self, _: Password) -> Result<PasswordHash, HashError> {
        Err(HashError::Busy)
    }

    async fn verify(&self, _: Password, _: Option<PasswordHash>) -> Result<Verdict, HashError> {
        self.0.ok_or(HashError::Busy)
    }
}

#[tokio::test]
async fn a_hundred_failed_logins_in_a_row_make_the_next_wait() {
    let world = World::new();
    world.user("ann", Role::Client).await;
    let actor = world.actor("ann").await;
    // Whether or not there is such a user.
    for name in ["ann", "nobody"] {
        for _ in 0..100 {
            let failed = world.consign.login(name, password("wrong")).await;
            assert_eq!(refusal(failed), InvalidCredentials);
        }
        let second = Duration::from_secs(1);
        for pass in ["wrong", PASSWORD] {
            let refused = world.consign.login(name, password(pass)).await;
            let retry_after = second;
            assert_eq!(refusal(refused), TooManyAttempts { retry_after }, "{name}");
        }
    }
    let (current, new) = (password(PASSWORD), password("another one"));
    let refused = world.consign.change_password(&actor, current, new).await;
    assert!(matches!(refusal(refused), TooManyAttempts { .. }));
    world.clock.advance(Duration::from_secs(1));
    world.session("ann").await;
    let failed = world.consign.login("ann", password("wrong")).await;
    assert_eq!(refusal(failed), InvalidCredentials, "it counts from none");
    world.session("ann").await;
}

#[tokio::test]
async fn guesses_at_the_present_password_count_as_failed_logins() {
    let world = World::new();
    let actor = world.newcomer("ann", Role::Client).await;
    for _ in 0..100 {
        let (guess, new) = (password("a wrong guess"), password("another one"));
        let failed = world.consign.change_password(&actor, guess, new).await;
        assert_eq!(refusal(failed), InvalidCredentials);
    }
    let refused = world.consign.login("ann", password(PASSWORD)).await;
    assert!(matches!(refusal(refused), TooManyAttempts { .. }));
}
