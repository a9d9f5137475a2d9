use std::time::Duration;

use crate::{
    error::{Error, ErrorKind},
    event::{Author, Event, EventKind},
    id::UserId,
    password::{HashError, Password, PasswordHash, Verdict},
    policy::{self, Action},
    service::{ClientRegistration, Consign, OperationsRegistration, attempts::Attempt},
    store::{Insert, InsertGuard, Update},
    time::Timestamp,
    token::{Claims, Purpose, TokenId},
    user::{Email, Role, Status, User, UserChange, Username},
};

/// Someone who has proved who they are, as they were a moment ago.
#[derive(Clone, Debug)]
pub struct Actor {
    user: User,
}

impl Actor {
    pub(super) fn of(user: User) -> Self {
        Self { user }
    }

    /// Who it is.
    pub fn user(&self) -> &User {
        &self.user
    }

    /// One that proved nothing.
    #[cfg(all(test, feature = "jwt", feature = "scrypt"))]
    pub(super) fn unproved(user: User) -> Self {
        Self { user }
    }

    pub(super) fn demand(&self, action: Action) -> Result<(), Error> {
        if policy::allows(&self.user, action) {
            Ok(())
        } else {
            Err(ErrorKind::Forbidden(action).into())
        }
    }
}

/// What a new user tells of themselves, unchecked.
#[derive(Clone, Debug)]
pub struct Registration {
    /// The name to sign in with.
    pub username: String,
    /// Where they are reached.
    pub email: String,
    /// Their password.
    pub password: Password,
    /// What they want to be.
    pub role: Role,
}

/// Whose access token it is, and how long.
#[derive(Clone, Debug)]
pub struct Authenticated {
    /// Who it is.
    pub actor: Actor,
    /// When the token ends.
    pub expires_at: Timestamp,
    /// How long that is from now.
    pub remaining: Duration,
}

/// A login.
#[derive(Clone)]
pub struct Session {
    /// The access token: a secret.
    pub token: String,
    /// When it ends.
    pub expires_at: Timestamp,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

impl Consign {
    /// Asks whether `by`, or someone who has not signed in, may register a user of this role.
    /// [`register`](Consign::register) asks again; here a front end asks before it looks at the rest.
    ///
    /// # Errors
    /// [`Forbidden`](ErrorKind::Forbidden) or [`RegistrationClosed`](ErrorKind::RegistrationClosed).
    pub async fn check_registration(&self, role: Role, by: Option<&Actor>) -> Result<(), Error> {
        self.registration_guard(role, by).await.map(drop)
    }

    /// Registers a user, at the wish of `by` or of someone who has not signed in.
    ///
    /// # Errors
    /// [`Forbidden`](ErrorKind::Forbidden) or
    /// [`RegistrationClosed`](ErrorKind::RegistrationClosed) first, then what is wrong with the
    /// registration, then what is taken.
    pub async fn register(
        &self,
        registration: Registration,
        by: Option<&Actor>,
    ) -> Result<User, Error> {
        let mut guard = self.registration_guard(registration.role, by).await?;
        let mut user = self.new_user(registration).await?;
        let author = match by {
            None => Author::Anonymous,
            Some(actor) => {
                let (id, epoch) = (actor.user.id, actor.user.session_epoch);
                // The hash may have waited for its turn. Whoever was logged out, disabled or given
                // another role meanwhile has not invited.
                let now = Actor {
                    user: self.present(id, epoch).await?,
                };
                guard = self.registration_guard(user.role, Some(&now)).await?;
                let operates = policy::allows(&now.user, Action::Share);
                user.owner = (operates && user.role == Role::Client).then_some(id);
                user.address_proved = operates;
                Author::User(id)
            }
        };
        self.insert(user, guard, author).await
    }

    /// Signs a user in.
    ///
    /// # Errors
    /// [`InvalidCredentials`](ErrorKind::InvalidCredentials) after the same time for an unknown
    /// user, a wrong password and a disabled user; [`TooManyAttempts`](ErrorKind::TooManyAttempts)
    /// without a look at the password when a hundred logins by this name have failed in a row, the
    /// user known or not, and the growing delay after each further one has not passed.
    pub async fn login(&self, username: &str, password: Password) -> Result<Session, Error> {
        let parts = self.parts();
        let user = match username.parse::<Username>() {
            Ok(username) => parts.users.by_username(&username).await?,
            Err(_) => None,
        };
        let stored = user.as_ref().map(|user| user.password.clone());
        let (recorder, known) = (&self.0.counter.recorder, user.as_ref().map(|user| user.id));
        let attempted = self.attempt(username, password.clone(), stored).await;
        let (attempt, verdict) = attempted.inspect_err(|error| {
            if let ErrorKind::TooManyAttempts { .. } = error.kind() {
                recorder.sign_in_failed(known);
            }
        })?;
        let user = user.filter(|user| user.status == Status::Active && verdict != Verdict::Wrong);
        let Some(user) = user else {
            recorder.sign_in_failed(known);
            return Err(ErrorKind::InvalidCredentials.into());
        };
        attempt.succeeded().await?;
        recorder.signed_in(user.id);
        if verdict == Verdict::RightButOld {
            self.upgrade_hash(&user, password).await;
        }
        let (expires_at, claims) = self.claims(&user, None, self.settings().access_lifetime);
        let token = parts.signer.sign(Purpose::Access, &claims)?;
        Ok(Session { token, expires_at })
    }

    /// Who holds an access token. Role and status are read now, never believed from the token.
    ///
    /// # Errors
    /// [`InvalidToken`](ErrorKind::InvalidToken) when it is forged, expired or revoked, or its user
    /// is disabled or gone.
    pub async fn authenticate(&self, token: &str) -> Result<Actor, Error> {
        Ok(self.session(token).await?.actor)
    }

    /// As [`authenticate`](Self::authenticate), and how long the token lasts.
    ///
    /// # Errors
    /// As for [`authenticate`](Self::authenticate).
    pub async fn session(&self, token: &str) -> Result<Authenticated, Error> {
        let claims = self.verify(Purpose::Access, token)?;
        let user = self.present(claims.subject, claims.epoch).await?;
        let expires_at = Timestamp::from_secs(claims.expires_at);
        Ok(Authenticated {
            actor: Actor { user },
            expires_at,
            remaining: expires_at.saturating_since(self.now()),
        })
    }

    /// Replaces the actor's own password, and logs them out everywhere.
    ///
    /// # Errors
    /// [`InvalidCredentials`](ErrorKind::InvalidCredentials) when `current` is not their password,
    /// which counts as a failed login; [`TooManyAttempts`](ErrorKind::TooManyAttempts) as for those;
    /// [`InvalidToken`](ErrorKind::InvalidToken) when they were logged out or disabled since.
    pub async fn change_password(
        &self,
        actor: &Actor,
        current: Password,
        new: Password,
    ) -> Result<(), Error> {
        let stored = Some(actor.user.password.clone());
        let name = actor.user.username.as_str();
        let (attempt, verdict) = self.attempt(name, current, stored).await?;
        if verdict == Verdict::Wrong {
            return Err(ErrorKind::InvalidCredentials.into());
        }
        attempt.succeeded().await?;
        let change = UserChange::Password(self.hash(new).await?);
        // Hashing takes its time: whoever was logged out or disabled meanwhile decides nothing more.
        let user = self
            .present(actor.user.id, actor.user.session_epoch)
            .await?;
        self.change_user(user.id, change, Author::User(user.id))
            .await?;
        Ok(())
    }

    /// Ends every session and every download link of the actor's; their managed links go on.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn log_out_everywhere(&self, actor: &Actor) -> Result<(), Error> {
        let author = Author::User(actor.user.id);
        self.change_user(actor.user.id, UserChange::EndSessions, author)
            .await?;
        Ok(())
    }

    /// The user now, unless they are disabled, gone, or were logged out since `epoch`.
    pub(super) async fn present(&self, id: UserId, epoch: u32) -> Result<User, Error> {
        let user = self.parts().users.by_id(id).await?;
        user.filter(|user| user.status == Status::Active && user.session_epoch == epoch)
            .ok_or_else(|| ErrorKind::InvalidToken.into())
    }

    pub(super) fn verify(&self, purpose: Purpose, token: &str) -> Result<Claims, Error> {
        Ok(self.parts().signer.verify(purpose, token, self.now())?)
    }

    pub(super) fn claims(
        &self,
        user: &User,
        file: Option<crate::id::FileId>,
        lifetime: Duration,
    ) -> (Timestamp, Claims) {
        let parts = self.parts();
        let now = self.now();
        // Whole seconds on the wire, so the promise made to the caller is in whole seconds too.
        let expires_at = Timestamp::from_secs((now + lifetime).as_secs());
        let claims = Claims {
            subject: user.id,
            epoch: user.session_epoch,
            file,
            issued_at: now.as_secs(),
            not_before: Claims::good_from(now),
            expires_at: expires_at.as_secs(),
            id: TokenId::random(&*parts.entropy),
        };
        (expires_at, claims)
    }

    /// The user that a registration asks for, if it is in order.
    pub(super) async fn new_user(&self, registration: Registration) -> Result<User, Error> {
        let parts = self.parts();
        let username = Username::try_from(registration.username)
            .map_err(|cause| Error::new(ErrorKind::InvalidUsername, cause))?;
        let email = Email::try_from(registration.email)
            .map_err(|cause| Error::new(ErrorKind::InvalidEmail, cause))?;
        self.check_password(&registration.password)?;
        // Told again by the insertion; asked here so that a refusal costs no hash.
        if parts.users.by_username(&username).await?.is_some() {
            return Err(ErrorKind::UsernameTaken.into());
        }
        Ok(User {
            id: UserId::random(&*parts.entropy),
            username,
            email,
            role: registration.role,
            status: Status::Active,
            password: parts.hasher.hash(registration.password).await?,
            session_epoch: 0,
            created_at: parts.clock.now(),
            confined: false,
            address_proved: false,
            owner: None,
        })
    }

    pub(super) async fn insert(
        &self,
        user: User,
        guard: InsertGuard,
        by: Author,
    ) -> Result<User, Error> {
        let kind = EventKind::UserRegistered {
            user: user.id,
            role: user.role,
        };
        let event = Event {
            at: user.created_at,
            by,
            kind,
        };
        let users = &self.parts().users;
        match users.insert(user.clone(), guard, vec![event]).await? {
            Insert::Done => Ok(user),
            Insert::GuardFailed => Err(ErrorKind::Forbidden(Action::RegisterOperations).into()),
            Insert::UsernameTaken => Err(ErrorKind::UsernameTaken.into()),
            Insert::EmailTaken => Err(ErrorKind::EmailTaken.into()),
        }
    }

    pub(super) async fn set_password(
        &self,
        id: UserId,
        password: Password,
        by: Author,
    ) -> Result<User, Error> {
        let change = UserChange::Password(self.hash(password).await?);
        self.change_user(id, change, by).await
    }

    pub(super) async fn change_user(
        &self,
        user: UserId,
        change: UserChange,
        by: Author,
    ) -> Result<User, Error> {
        let parts = self.parts();
        let at = parts.clock.now();
        let kind = match &change {
            UserChange::Status(status) => Some(EventKind::StatusChanged {
                user,
                status: *status,
            }),
            UserChange::Role(role) => Some(EventKind::RoleChanged { user, role: *role }),
            UserChange::Password(_) => Some(EventKind::PasswordChanged { user }),
            UserChange::EndSessions => Some(EventKind::SessionsEnded { user }),
            UserChange::Confined(confined) => Some(EventKind::ConfinedChanged {
                user,
                confined: *confined,
            }),
            UserChange::AddressProved => Some(EventKind::AddressProved { user }),
            UserChange::Owner(owner) => Some(EventKind::OwnerChanged {
                user,
                owner: *owner,
            }),
            UserChange::UpgradeHash { .. } => None,
        };
        let events = kind
            .map(|kind| Event { at, by, kind })
            .into_iter()
            .collect();
        match parts.users.update(user, change, events).await? {
            Update::Done(user) => Ok(user),
            Update::Missing => Err(ErrorKind::UserNotFound.into()),
            Update::LastOperationsUser => Err(ErrorKind::LastOperationsUser.into()),
            Update::Stale => Err(Error::new(
                ErrorKind::Internal,
                "the user has changed since",
            )),
        }
    }

    /// Under what condition someone of `role` may be registered; told before anything else is
    /// looked at, and held in the transaction.
    async fn registration_guard(
        &self,
        role: Role,
        by: Option<&Actor>,
    ) -> Result<InsertGuard, Error> {
        let by_one_who = |action| by.is_some_and(|actor| policy::allows(&actor.user, action));
        let settings = self.settings();
        match role {
            Role::Operations if by_one_who(Action::RegisterOperations) => Ok(InsertGuard::None),
            // Whoever hands files to clients may have some of their own.
            Role::Client if by_one_who(Action::Share) => Ok(InsertGuard::None),
            Role::Client => match settings.client_registration {
                ClientRegistration::Open => Ok(InsertGuard::None),
                ClientRegistration::Closed => Err(ErrorKind::RegistrationClosed.into()),
            },
            Role::Operations => match settings.operations_registration {
                OperationsRegistration::Open => Ok(InsertGuard::None),
                OperationsRegistration::First
                    if !self.parts().users.has_operations_user().await? =>
                {
                    Ok(InsertGuard::NoOperationsUser)
                }
                OperationsRegistration::First | OperationsRegistration::Closed => {
                    Err(ErrorKind::Forbidden(Action::RegisterOperations).into())
                }
            },
        }
    }

    /// Looks at a password, as one more attempt at the account of this name.
    pub(super) async fn attempt(
        &self,
        name: &str,
        password: Password,
        stored: Option<PasswordHash>,
    ) -> Result<(Attempt<'_>, Verdict), Error> {
        let parts = self.parts();
        let attempt = self.0.attempts.begin(name, parts.clock.now()).await?;
        match parts.hasher.verify(password, stored).await {
            Err(HashError::Unusable(why)) => {
                tracing::error!(
                    why,
                    "a user cannot sign in: their password hash is not usable"
                );
                Ok((attempt, Verdict::Wrong))
            }
            Ok(verdict) => Ok((attempt, verdict)),
            Err(error) => {
                attempt.undone().await;
                Err(error.into())
            }
        }
    }

    pub(super) async fn hash(&self, password: Password) -> Result<PasswordHash, Error> {
        self.check_password(&password)?;
        Ok(self.parts().hasher.hash(password).await?)
    }

    fn check_password(&self, password: &Password) -> Result<(), Error> {
        let (chars, min, max) = (
            password.chars(),
            self.settings().min_password,
            Self::MAX_PASSWORD,
        );
        if chars < min {
            return Err(ErrorKind::PasswordTooShort { min }.into());
        }
        if chars > max {
            return Err(ErrorKind::PasswordTooLong { max }.into());
        }
        if self.settings().refuse_common_passwords && password.is_common() {
            return Err(ErrorKind::PasswordTooCommon.into());
        }
        Ok(())
    }

    /// Better parameters are worth having, but nobody is kept out for the lack of them.
    async fn upgrade_hash(&self, user: &User, password: Password) {
        let upgraded: Result<(), Error> = async {
            let from: PasswordHash = user.password.clone();
            let to = self.parts().hasher.hash(password).await?;
            let change = UserChange::UpgradeHash { from, to };
            self.parts().users.update(user.id, change, vec![]).await?;
            Ok(())
        }
        .await;
        if let Err(error) = upgraded {
            tracing::warn!(user = %user.id, %error, "a password hash could not be upgraded");
        }
    }
}
