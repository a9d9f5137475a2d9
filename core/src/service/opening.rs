//! Managed links, opened by those who hold them.

use std::{fmt, time::Duration};

use crate::{
    code::{Code, CodeHash},
    error::{Error, ErrorKind},
    event::Author,
    file::File,
    id::LeaseId,
    link::{Lease, LinkSecret, ManagedLink},
    once::{IdempotencyKey, Made},
    password::{Password, Verdict},
    policy::{self, Action},
    service::{Actor, Consign, lifetimes::end, once::Repeatable},
    store::{Change, Outcome},
    time::Timestamp,
    token::{Claims, Purpose, TokenId},
    user::{Email, Status, User, UserChange},
};

/// How often a link that is edited meanwhile is judged anew before that is given up.
const TRIES: usize = 8;

/// What is told of a managed link to whoever holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    /// When it ends.
    pub expires_at: Timestamp,
    /// Whether a password is asked for.
    pub needs_password: bool,
    /// Whether it is for one recipient, who has to prove that it is they.
    pub needs_recipient: bool,
    /// What it hands over; `None` where anything is asked for first.
    pub files: Option<Vec<File>>,
}

/// What the holder of a managed link has to show for themselves.
#[derive(Clone, Debug, Default)]
pub struct LinkProof<'a> {
    /// The link's password.
    pub password: Option<Password>,
    /// The code that the link's recipient was sent.
    pub code: Option<Code>,
    /// Who they have signed in as.
    pub actor: Option<&'a Actor>,
    /// Opens it once, however often that is asked for within a day: each time the same lease.
    pub key: Option<IdempotencyKey>,
}

/// A lease that was just opened.
#[derive(Clone)]
pub struct NewLease {
    /// The lease.
    pub lease: Lease,
    /// What its files are downloaded with: a secret.
    pub token: String,
    /// The files.
    pub files: Vec<File>,
}

impl fmt::Debug for NewLease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewLease")
            .field("lease", &self.lease)
            .finish_non_exhaustive()
    }
}

impl Consign {
    /// What a link is, for whoever holds it. It counts nothing.
    ///
    /// # Errors
    /// [`LinkNotAvailable`](ErrorKind::LinkNotAvailable), whatever the reason.
    pub async fn describe_link(&self, secret: &str) -> Result<Described, Error> {
        let (link, files) = self.available(secret).await?;
        if !link.is_open(self.now()) {
            return Err(ErrorKind::LinkNotAvailable.into());
        }
        let (needs_password, needs_recipient) = (link.password.is_some(), link.recipient.is_some());
        let tells = !needs_password && !needs_recipient;
        Ok(Described {
            expires_at: link.expires_at,
            needs_password,
            needs_recipient,
            files: tells.then_some(files),
        })
    }

    /// Opens a lease of a link, and counts it as a download. The lease's token opens the files until the
    /// lease ends, however often that takes.
    ///
    /// # Errors
    /// [`LinkNotAvailable`](ErrorKind::LinkNotAvailable), whatever the reason: it is unknown, revoked, at
    /// its end or spent, its maker or its recipient is disabled, its maker no longer has any of the
    /// files, or whoever asks has signed in as somebody for whom it is not;
    /// [`LinkPasswordNeeded`](ErrorKind::LinkPasswordNeeded),
    /// [`WrongLinkPassword`](ErrorKind::WrongLinkPassword),
    /// [`TooManyAttempts`](ErrorKind::TooManyAttempts) for its password; for its recipient
    /// [`CodeSent`](ErrorKind::CodeSent), after which the code is asked for, or
    /// [`RecipientNeeded`](ErrorKind::RecipientNeeded) where there is no mail,
    /// [`WrongCode`](ErrorKind::WrongCode), and
    /// [`TooManyCodes`](ErrorKind::TooManyCodes).
    pub async fn open_link(&self, secret: &str, proof: LinkProof<'_>) -> Result<NewLease, Error> {
        let mut judged = None;
        for at in 0..=TRIES {
            if at == TRIES {
                return Err(ErrorKind::Busy.into());
            }
            let (link, files) = self.available(secret).await?;
            let repeatable = Repeatable::new(proof.key.as_ref(), link.id.as_bytes(), "lease", &[]);
            let before = self.made_before(repeatable).await?;
            if before.is_none() && !link.is_open(self.now()) {
                break;
            }
            // An edit of anything else asks for no second look at the password.
            if judged.as_ref() != Some(&link.password) {
                self.check_link_password(&link, proof.password.clone())
                    .await?;
                judged = Some(link.password.clone());
            }
            if sends_code(&link, &proof)? {
                if let Some(recipient) = &link.recipient {
                    self.send_code(&link, recipient).await?;
                }
                continue;
            }
            let code = code_of(&link, &proof);
            let by_code = code.is_some();
            let lease = self.new_lease(&link);
            let outcome = match before {
                Some(made) => Outcome::Repeated(made),
                None => {
                    let by = proof.actor.map(|actor| Author::User(actor.user().id));
                    let change = Change::OpenLease {
                        lease: lease.clone(),
                        revision: link.revision,
                        code,
                        by: by.unwrap_or(Author::Anonymous),
                    };
                    self.apply_once(repeatable, change).await?
                }
            };
            let lease = match outcome {
                Outcome::LinkSet(_) => {
                    if by_code && let Some(actor) = proof.actor {
                        self.address_was_proved(actor, &link).await;
                    }
                    lease
                }
                Outcome::Repeated(made) => self.made_lease(made, &link).await?,
                Outcome::Stale => continue,
                Outcome::WrongCode => return Err(ErrorKind::WrongCode.into()),
                Outcome::Missing | Outcome::NotOpen => break,
                outcome => return Err(outcome.unexpected()),
            };
            return Ok(NewLease {
                token: self.lease_token(&link, &lease)?,
                lease,
                files,
            });
        }
        Err(ErrorKind::LinkNotAvailable.into())
    }

    /// Remembers that a signed-in user has shown that they read mail at their address. That they have to
    /// show it again is no harm.
    async fn address_was_proved(&self, actor: &Actor, link: &ManagedLink) {
        let user = actor.user();
        let theirs = |recipient| is_at(actor, recipient);
        if !link.recipient.as_ref().is_some_and(theirs) || user.address_proved {
            return;
        }
        let change = UserChange::AddressProved;
        if let Err(error) = self
            .change_user(user.id, change, Author::User(user.id))
            .await
        {
            tracing::warn!(user = %user.id, %error, "that an address was proved is not kept");
        }
    }

    fn new_lease(&self, link: &ManagedLink) -> Lease {
        let opened_at = self.now();
        let longest = opened_at + self.settings().lease_lifetime;
        Lease {
            id: LeaseId::at(opened_at, &*self.parts().entropy),
            link: link.id,
            opened_at,
            expires_at: end(longest.min(link.expires_at), Duration::ZERO),
            recipient: link.recipient.clone(),
        }
    }

    /// A lease that was opened before, if it still is its holder's.
    async fn made_lease(&self, made: Made, link: &ManagedLink) -> Result<Lease, Error> {
        let Made::Lease(id) = made else {
            return Err(Outcome::Repeated(made).unexpected());
        };
        let lease = self.parts().files.lease(id).await?;
        let good = |lease: &Lease| {
            let is_for_them = same_address(&lease.recipient, &link.recipient);
            is_for_them && self.now() < lease.expires_at
        };
        let lease = lease.filter(good);
        lease.ok_or_else(|| ErrorKind::LinkNotAvailable.into())
    }

    /// The files of a lease, if it, its link, their makers and the files are good: the same questions as
    /// when it was opened, but for the budget.
    pub(super) async fn leased(&self, claims: &Claims) -> Result<(Lease, Vec<File>), Error> {
        let gone = || Error::from(ErrorKind::InvalidToken);
        let files = &self.parts().files;
        let lease = files.lease(LeaseId::from_bytes(claims.id.0)).await?;
        let lease = lease.ok_or_else(gone)?;
        let link = files.link(lease.link).await?.ok_or_else(gone)?;
        // A link that was given another recipient since, or one at all, asks for them.
        let is_for_them = same_address(&lease.recipient, &link.recipient);
        let now = self.now();
        if !is_for_them || !link.is_good(now) || now >= lease.expires_at {
            return Err(gone());
        }
        let files = self.handed_over(&link).await?.ok_or_else(gone)?;
        Ok((lease, files))
    }

    /// The link of a secret, and what it hands over now. It may be spent.
    async fn available(&self, secret: &str) -> Result<(ManagedLink, Vec<File>), Error> {
        let gone = || Error::from(ErrorKind::LinkNotAvailable);
        let secret = secret.parse::<LinkSecret>().map_err(|_| gone())?;
        let link = self.parts().files.link_of(secret.hash()).await?;
        let link = link
            .filter(|link| link.is_good(self.now()))
            .ok_or_else(gone)?;
        let files = self.handed_over(&link).await?.ok_or_else(gone)?;
        Ok((link, files))
    }

    /// What a link hands over now: those of its files that its maker may. `None` where that is nothing, or
    /// its recipient has an account here that is disabled.
    async fn handed_over(&self, link: &ManagedLink) -> Result<Option<Vec<File>>, Error> {
        let parts = self.parts();
        let maker = parts.users.by_id(link.made_by).await?;
        let allowed = |maker: &User| policy::allows(maker, Action::ManageLinks);
        let Some(maker) = maker.filter(allowed) else {
            return Ok(None);
        };
        if let Some(recipient) = &link.recipient
            && let Some(user) = parts.users.by_email(recipient).await?
            && user.status != Status::Active
        {
            return Ok(None);
        }
        // Asked once for all files: in the scope is what the policy says they may.
        let mut scope = self.scope(&maker).await?;
        loop {
            let mut files = Vec::with_capacity(link.files.len());
            for id in &*link.files {
                let file = self.there(*id).await?;
                files.extend(file.filter(|file| scope.has(&file.entry)));
            }
            if self.is_still(&maker, &mut scope).await? {
                return Ok((!files.is_empty()).then_some(files));
            }
        }
    }

    async fn check_link_password(
        &self,
        link: &ManagedLink,
        given: Option<Password>,
    ) -> Result<(), Error> {
        let Some(hash) = &link.password else {
            return Ok(());
        };
        let given = given.ok_or(ErrorKind::LinkPasswordNeeded)?;
        // No username has such a beginning.
        let name = format!("\0link {}", link.id);
        let (attempt, verdict) = self.attempt(&name, given, Some(hash.clone())).await?;
        if verdict == Verdict::Wrong {
            return Err(ErrorKind::WrongLinkPassword.into());
        }
        attempt.succeeded().await?;
        Ok(())
    }

    fn lease_token(&self, link: &ManagedLink, lease: &Lease) -> Result<String, Error> {
        let claims = Claims {
            subject: link.made_by,
            // A lease outlives the sessions of its link's maker.
            epoch: 0,
            file: None,
            issued_at: lease.opened_at.as_secs(),
            not_before: Claims::good_from(lease.opened_at),
            expires_at: lease.expires_at.as_secs(),
            id: TokenId(*lease.id.as_bytes()),
        };
        Ok(self.parts().signer.sign(Purpose::Lease, &claims)?)
    }
}

/// Whether the recipient is to be sent a code.
///
/// # Errors
/// Where somebody has signed in as somebody else, and has no code.
fn sends_code(link: &ManagedLink, proof: &LinkProof<'_>) -> Result<bool, Error> {
    let Some(recipient) = &link.recipient else {
        return Ok(false);
    };
    match proof.actor {
        Some(actor) if is_proved_at(actor, recipient) => Ok(false),
        _ if proof.code.is_some() => Ok(false),
        Some(actor) if !is_at(actor, recipient) => Err(ErrorKind::LinkNotAvailable.into()),
        // Whoever registered under an address has typed it, which anybody can.
        Some(_) | None => Ok(true),
    }
}

/// The code that is to be tried: none where the link asks for none, or its recipient has signed in.
fn code_of(link: &ManagedLink, proof: &LinkProof<'_>) -> Option<CodeHash> {
    let recipient = link.recipient.as_ref()?;
    if proof
        .actor
        .is_some_and(|actor| is_proved_at(actor, recipient))
    {
        return None;
    }
    let code = proof.code.as_ref()?;
    Some(code.hash(link.id, recipient))
}

/// Written alike or not.
fn same_address(one: &Option<Email>, other: &Option<Email>) -> bool {
    let key = |address: &Option<Email>| address.as_ref().map(Email::unique_key);
    key(one) == key(other)
}

/// Whether somebody has signed in whose address this is, as far as is known.
fn is_proved_at(actor: &Actor, address: &Email) -> bool {
    actor.user().address_proved && is_at(actor, address)
}

fn is_at(actor: &Actor, address: &Email) -> bool {
    actor.user().email.unique_key() == address.unique_key()
}
