use futures_util::future::join_all;

use super::*;
use crate::{
    ClientRegistration, OperationsRegistration, error::ErrorKind::*, policy::Action,
    store::UserStore, user::Status,
};

const NOT_OPERATIONS: ErrorKind = Forbidden(Action::RegisterOperations);

#[tokio::test]
async fn who_may_register_whom() {
    use ClientRegistration as Clients;
    use OperationsRegistration as Operations;

    let settings = |operations_registration, client_registration| Settings {
        operations_registration,
        client_registration,
        ..Settings::default()
    };
    for operations in [Operations::First, Operations::Open, Operations::Closed] {
        for clients in [Clients::Open, Clients::Closed] {
            let world = World::with(settings(operations, clients));
            let (op, client) = (
                world.newcomer("op", Role::Operations).await,
                world.newcomer("client", Role::Client).await,
            );
            let by = [
                ("nobody", None),
                ("a client", Some(&client)),
                ("operations", Some(&op)),
            ];
            for (who, by) in by {
                for role in [Role::Client, Role::Operations] {
                    let expected = match role {
                        _ if who == "operations" => None,
                        Role::Client if clients == Clients::Closed => Some(RegistrationClosed),
                        Role::Operations if operations != Operations::Open => Some(NOT_OPERATIONS),
                        _ => None,
                    };
                    let case = format!("{role} by {who} under {operations:?}, {clients:?}");
                    let checked = world.consign.check_registration(role, by).await;
                    assert_eq!(checked.err().map(|error| error.kind()), expected, "{case}");
                    let before = world.events().await.len();
                    let new =
                        registration(&format!("{} by {who}", role as u8).replace(' ', "-"), role);
                    match (world.consign.register(new, by).await, expected) {
                        (Ok(user), None) => {
                            assert_eq!(user.role, role);
                            let author =
                                by.map_or(Author::Anonymous, |by| Author::User(by.user().id));
                            let kind = EventKind::UserRegistered {
                                user: user.id,
                                role,
                            };
                            assert_eq!(world.events().await.last(), Some(&(author, kind)));
                        }
                        (Err(error), Some(expected)) => {
                            assert_eq!(error.kind(), expected, "{case}");
                            assert_eq!(world.events().await.len(), before);
                        }
                        (result, _) => panic!("{case}: {result:?}"),
                    }
                }
            }
        }
    }
}

#[tokio::test]
async fn the_first_operations_user_registers_freely_and_is_the_only_one_who_does() {
    let world = World::new();
    let client = registration("client", Role::Client);
    world.consign.register(client, None).await.unwrap();
    let client = world.actor("client").await;
    for by in [None, Some(&client)] {
        assert!(
            world
                .consign
                .check_registration(Role::Operations, by)
                .await
                .is_ok()
        );
    }
    world
        .consign
        .register(registration("first", Role::Operations), None)
        .await
        .unwrap();
    let second = || registration("second", Role::Operations);
    assert_eq!(
        refusal(world.consign.register(second(), None).await),
        NOT_OPERATIONS
    );
    assert_eq!(
        refusal(world.consign.register(second(), Some(&client)).await),
        NOT_OPERATIONS
    );

    let administration = world.consign.administration();
    administration
        .set_status(&username("first"), Status::Disabled)
        .await
        .unwrap();
    assert_eq!(
        refusal(world.consign.register(second(), None).await),
        NOT_OPERATIONS,
        "a disabled one is one"
    );
    administration
        .set_status(&username("first"), Status::Active)
        .await
        .unwrap();
    let first = world.actor("first").await;
    world
        .consign
        .register(second(), Some(&first))
        .await
        .unwrap();
}

/// All of them are told that there is no operations user before any of them is inserted.
#[tokio::test]
async fn of_many_first_operations_users_one_is_the_first() {
    let world = World::new();
    world.rig.disarm();
    let all = (0..20).map(|n| {
        let consign = world.consign.clone();
        async move {
            consign
                .register(registration(&format!("op{n}"), Role::Operations), None)
                .await
        }
    });
    let results = join_all(all).await;
    let steps = world.rig.steps();
    let asked = steps
        .iter()
        .filter(|step| *step == "has operations user done")
        .count();
    let first_insert = steps.iter().position(|step| step == "insert").unwrap();
    let asked_before = steps[..first_insert]
        .iter()
        .filter(|step| *step == "has operations user done")
        .count();
    assert!(asked == 20 && asked_before >= 2, "they did race: {steps:?}");
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    for result in results.into_iter().filter(|result| result.is_err()) {
        assert_eq!(refusal(result), NOT_OPERATIONS);
    }
    let users = UserStore::list(&world.store, None, 100)
        .await
        .unwrap()
        .items;
    assert_eq!(users.len(), 1);
    assert_eq!(world.events().await.len(), 1);
}

#[tokio::test]
async fn a_refusal_comes_before_what_is_wrong_and_that_before_what_is_taken() {
    let world = World::with(Settings {
        client_registration: ClientRegistration::Closed,
        ..Settings::default()
    });
    let op = world.newcomer("op", Role::Operations).await;
    let register = async |by, role, (name, email, pass): (&str, &str, &str)| {
        let registration = Registration {
            username: name.to_owned(),
            email: email.to_owned(),
            password: password(pass),
            role,
        };
        refusal(world.consign.register(registration, by).await)
    };
    for wrong in [
        ("", "", ""),
        ("op", "op@example.org", PASSWORD),
        ("new", "new@example.org", "x"),
    ] {
        assert_eq!(
            register(None, Role::Operations, wrong).await,
            NOT_OPERATIONS
        );
        assert_eq!(
            register(None, Role::Client, wrong).await,
            RegistrationClosed
        );
    }
    let too_short = PasswordTooShort { min: 8 };
    for (given, expected) in [
        (("", "", ""), InvalidUsername),
        (("op\n", "op@example.org", PASSWORD), InvalidUsername),
        (("op", "", ""), InvalidEmail),
        (("op", "op@example.org", ""), too_short),
        (("op", "op@example.org", PASSWORD), UsernameTaken),
        (("new", "op@example.org", PASSWORD), EmailTaken),
        (("new", "OP@Example.ORG", PASSWORD), EmailTaken),
    ] {
        assert_eq!(
            register(Some(&op), Role::Client, given).await,
            expected,
            "{given:?}"
        );
    }
    assert_eq!(
        UserStore::list(&world.store, None, 9)
            .await
            .unwrap()
            .items
            .len(),
        1
    );
    world
        .consign
        .register(registration("OP", Role::Client), Some(&op))
        .await
        .unwrap_err();
    let other_case = Registration {
        email: "other@example.org".to_owned(),
        ..registration("OP", Role::Client)
    };
    world.consign.register(other_case, Some(&op)).await.unwrap();
}

#[tokio::test]
async fn passwords_are_measured_in_code_points() {
    let world = World::new();
    world.user("op", Role::Operations).await;
    let max = Consign::MAX_PASSWORD;
    for (n, (text, expected)) in [
        ("1234567".to_owned(), Some(PasswordTooShort { min: 8 })),
        ("🗝".repeat(7), Some(PasswordTooShort { min: 8 })),
        ("🗝".repeat(8), None),
        (" ".repeat(8), None),
        ("x".repeat(64), None),
        ("🗝".repeat(max), None),
        ("x".repeat(max + 1), Some(PasswordTooLong { max })),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("user{n}");
        let new = Registration {
            password: password(&text),
            ..registration(&name, Role::Client)
        };
        let registered = world.consign.register(new, None).await;
        assert_eq!(registered.err().map(|error| error.kind()), expected, "{n}");
        let administration = world.consign.administration();
        let set = administration
            .set_password(&username("op"), password(&text))
            .await;
        assert_eq!(set.err().map(|error| error.kind()), expected, "{n}");
        if expected.is_none() {
            world.consign.login(&name, password(&text)).await.unwrap();
            let cut = text.chars().skip(1).collect::<String>();
            assert_eq!(
                refusal(world.consign.login(&name, password(&cut)).await),
                InvalidCredentials
            );
        }
    }
    let strict = world.other(|_, settings| settings.min_password = 15);
    let new = registration("strict", Role::Client);
    assert_eq!(
        refusal(strict.register(new, None).await),
        PasswordTooShort { min: 15 }
    );
}

/// Wherever a new password is taken; one that is there already lets its user in.
#[tokio::test]
async fn common_passwords_can_be_refused() {
    let world = World::new();
    let common = "password12345678";
    for (name, role) in [("op", Role::Operations), ("ann", Role::Client)] {
        let new = Registration {
            password: password(common),
            ..registration(name, role)
        };
        world.consign.register(new, None).await.unwrap();
    }
    let strict = world.other(|_, settings| settings.refuse_common_passwords = true);
    let session = strict.login("ann", password(common)).await.unwrap();
    let ann = strict.authenticate(&session.token).await.unwrap();
    let administration = strict.administration();
    let new = |name| Registration {
        password: password(common),
        ..registration(name, Role::Client)
    };
    for refused in [
        strict.register(new("bob"), None).await.map(drop),
        administration.add_user(new("bob")).await.map(drop),
        administration
            .set_password(&username("op"), password(common))
            .await
            .map(drop),
        strict
            .change_password(&ann, password(common), password(common))
            .await,
    ] {
        assert_eq!(refusal(refused), PasswordTooCommon);
    }
    let good = password("a sentence that nobody else has");
    strict
        .change_password(&ann, password(common), good)
        .await
        .unwrap();
}

#[tokio::test]
async fn the_operator_is_told_who_is_not_there() {
    let world = World::new();
    let (administration, nobody) = (world.consign.administration(), username("nobody"));
    assert_eq!(
        refusal(administration.set_status(&nobody, Status::Disabled).await),
        UserNotFound
    );
    assert_eq!(
        refusal(administration.set_role(&nobody, Role::Client).await),
        UserNotFound
    );
    assert_eq!(
        refusal(
            administration
                .set_password(&nobody, password(PASSWORD))
                .await
        ),
        UserNotFound
    );
    assert_eq!(
        refusal(administration.end_sessions(&nobody).await),
        UserNotFound
    );
    world.user("op", Role::Operations).await;
    let demoted = administration.set_role(&username("op"), Role::Client).await;
    assert_eq!(refusal(demoted), LastOperationsUser);
    assert_eq!(
        administration.users(None, 0).await.unwrap().items.len(),
        1,
        "a page has at least one"
    );
    assert_eq!(
        world.events().await.len(),
        1,
        "nothing happened but the registration"
    );
}

#[tokio::test]
async fn an_operator_adds_users_whatever_the_settings_say() {
    let world = World::with(Settings {
        operations_registration: OperationsRegistration::Closed,
        client_registration: ClientRegistration::Closed,
        ..Settings::default()
    });
    for (name, role) in [
        ("op", Role::Operations),
        ("op2", Role::Operations),
        ("ann", Role::Client),
    ] {
        let user = world.user(name, role).await;
        let kind = EventKind::UserRegistered {
            user: user.id,
            role,
        };
        assert_eq!(
            world.events().await.pop(),
            Some((Author::Administrator, kind))
        );
    }
    let administration = world.consign.administration();
    assert_eq!(
        refusal(
            administration
                .add_user(registration("ann", Role::Client))
                .await
        ),
        UsernameTaken
    );
}
