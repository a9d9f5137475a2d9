//! Mail that goes nowhere.

use std::{collections::VecDeque, sync::Arc};

use async_trait::async_trait;
use tokio::sync::watch;

use crate::mail::{Courier, DeliveryError, Mail};

/// Keeps the mail that it is given, and fails when it is told to. Clones share what they hold.
#[derive(Clone, Debug)]
pub struct MemoryCourier(Arc<watch::Sender<State>>);

#[derive(Debug, Default)]
struct State {
    delivered: Vec<Mail>,
    attempts: usize,
    next: VecDeque<Option<Fault>>,
    otherwise: Option<Fault>,
}

/// How a delivery fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The mail is not taken, and can be tried again.
    Temporary,
    /// The mail is not taken, now or ever.
    Permanent,
    /// The mail is taken, and the answer gets lost: to the caller it is [`Temporary`](Self::Temporary).
    AnswerLost,
}

impl MemoryCourier {
    /// A courier that takes everything.
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::default()))
    }

    /// How the next deliveries go, one after another; those after them go as before.
    pub fn plan(&self, next: impl IntoIterator<Item = Option<Fault>>) {
        self.0.send_modify(|state| state.next.extend(next));
    }

    /// How all deliveries go that are not planned, from now on: with `None` they succeed.
    pub fn set_fault(&self, fault: Option<Fault>) {
        self.0.send_modify(|state| state.otherwise = fault);
    }

    /// The mail that was taken, oldest first.
    pub fn delivered(&self) -> Vec<Mail> {
        self.0.borrow().delivered.clone()
    }

    /// How often it was asked to deliver.
    pub fn attempts(&self) -> usize {
        self.0.borrow().attempts
    }

    /// Waits until so many mails were taken, and gives them.
    pub async fn wait_for(&self, count: usize) -> Vec<Mail> {
        self.wait(|state| state.delivered.len() >= count).await
    }

    /// Waits until it was asked so often to deliver, and gives the mail that was taken.
    pub async fn wait_for_attempts(&self, count: usize) -> Vec<Mail> {
        self.wait(|state| state.attempts >= count).await
    }

    async fn wait(&self, until: impl FnMut(&State) -> bool) -> Vec<Mail> {
        let mut states = self.0.subscribe();
        let state = states.wait_for(until).await;
        state.expect("the sender is in self").delivered.clone()
    }
}

impl Default for MemoryCourier {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Courier for MemoryCourier {
    async fn deliver(&self, mail: &Mail) -> Result<(), DeliveryError> {
        let mut fault = None;
        self.0.send_modify(|state| {
            state.attempts += 1;
            fault = state.next.pop_front().unwrap_or(state.otherwise);
            if matches!(fault, None | Some(Fault::AnswerLost)) {
                state.delivered.push(mail.clone());
            }
        });
        match fault {
            None => Ok(()),
            Some(Fault::Permanent) => Err(DeliveryError::Permanent("as it was told".into())),
            Some(_) => Err(DeliveryError::Temporary("as it was told".into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::{MailId, Text};

    fn mail(number: u8) -> Mail {
        Mail {
            id: MailId::from_bytes([number; 16]),
            to: "ann@example.org".parse().unwrap(),
            subject: "A mail".parse().unwrap(),
            text: Text::new(String::new()),
        }
    }

    #[tokio::test]
    async fn mail_goes_as_planned_and_then_as_before() {
        let courier = MemoryCourier::new();
        courier.plan([Some(Fault::Permanent), None, Some(Fault::AnswerLost)]);
        courier.set_fault(Some(Fault::Temporary));
        let outcomes = [
            courier.deliver(&mail(1)).await,
            courier.deliver(&mail(2)).await,
            courier.deliver(&mail(3)).await,
            courier.deliver(&mail(4)).await,
        ];
        assert!(matches!(
            outcomes,
            [
                Err(DeliveryError::Permanent(_)),
                Ok(()),
                Err(DeliveryError::Temporary(_)),
                Err(DeliveryError::Temporary(_)),
            ]
        ));
        assert_eq!(courier.delivered(), [mail(2), mail(3)]);
        assert_eq!(courier.attempts(), 4);
    }

    #[tokio::test]
    async fn one_can_wait_for_mail() {
        let courier = MemoryCourier::new();
        courier.set_fault(Some(Fault::Temporary));
        let (one, other) = (courier.clone(), courier.clone());
        let waiting = tokio::spawn(async move { one.wait_for(1).await });
        let tried = tokio::spawn(async move { other.wait_for_attempts(1).await });
        assert!(courier.deliver(&mail(1)).await.is_err());
        assert_eq!(tried.await.unwrap(), []);
        courier.set_fault(None);
        courier.deliver(&mail(1)).await.unwrap();
        assert_eq!(waiting.await.unwrap(), [mail(1)]);
    }
}
