//! Passwords: argon2id on a thread of its own, with a bounded queue before it.

use std::cell::OnceCell;
use std::sync::Arc;

use argon2::password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash};
use argon2::{Algorithm, Argon2, Params, Version};
use prometheus::IntCounterVec;
use tenon_base::Random;
use tenon_core::handover::Reply;
use tokio::sync::mpsc;
use zeroize::Zeroizing;

use crate::ReceiverError;

/// Sign-ins that may wait; the next one is `busy`.
const QUEUE_MAX: usize = 64;
/// ASVS 5.0 appendix C: 46 MiB, one pass, one lane.
const MEMORY_KIB: u32 = 46 * 1024;
/// Shortest password, in characters.
const LENGTH_MIN: usize = 10;
/// Longest password, so that hashing a huge one is not a way to stop the server.
const LENGTH_MAX: usize = 1024;

/// What the worker does.
pub(crate) enum LoginJob {
    /// Compares; an empty stored hash costs the same time and never matches.
    Verify { stored: String, password: Zeroizing<String>, reply: Reply<bool> },
    /// Makes a hash in PHC form.
    Hash { password: Zeroizing<String>, reply: Reply<Option<String>> },
}

/// The thread's work.
pub struct LoginWorker {
    jobs: mpsc::Receiver<LoginJob>,
    hasher: Argon2<'static>,
    random: Arc<dyn Random>,
    /// Hash of a password nobody knows: unknown names cost what known ones do. Made at the first comparison, of a known
    /// name or not, so that a start does not wait for it.
    decoy: OnceCell<String>,
    sign_ins: IntCounterVec,
}

impl std::fmt::Debug for LoginWorker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LoginWorker")
    }
}

impl LoginWorker {
    pub(crate) fn new(
        random: Arc<dyn Random>,
        sign_ins: IntCounterVec,
    ) -> Result<(mpsc::Sender<LoginJob>, Self), ReceiverError> {
        let keys = |error: argon2::Error| ReceiverError::Keys(error.to_string());
        let params = Params::new(MEMORY_KIB, 1, 1, None).map_err(keys)?;
        let hasher = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let (sender, jobs) = mpsc::channel(QUEUE_MAX);
        Ok((sender, Self { jobs, hasher, random, decoy: OnceCell::new(), sign_ins }))
    }

    /// Blocks until every handle is dropped.
    pub fn run(mut self) {
        while let Some(job) = self.jobs.blocking_recv() {
            match job {
                LoginJob::Verify { stored, password, reply } => {
                    let is_known = !stored.is_empty();
                    let decoy = self.decoy();
                    let against = if is_known { &stored } else { decoy };
                    let matches = self.verify(against, password.as_bytes()) && is_known;
                    let label = if matches { "ok" } else { "refused" };
                    self.sign_ins.with_label_values(&[label]).inc();
                    reply.send(matches);
                }
                LoginJob::Hash { password, reply } => reply.send(self.hash(password.as_bytes())),
            }
        }
    }

    fn decoy(&self) -> &str {
        self.decoy.get_or_init(|| {
            let nobody = super::secret(self.random.as_ref());
            // Parameters were checked when the hasher was made; without a hash nothing matches, only faster.
            self.hash(&nobody).unwrap_or_default()
        })
    }

    fn hash(&self, password: &[u8]) -> Option<String> {
        let mut salt = [0; 16];
        self.random.fill(&mut salt);
        let hash = self.hasher.hash_password_with_salt(password, &salt).ok()?;
        Some(hash.to_string())
    }

    fn verify(&self, stored: &str, password: &[u8]) -> bool {
        PasswordHash::new(stored)
            .is_ok_and(|hash| self.hasher.verify_password(password, &hash).is_ok())
    }
}

/// Says what is wrong with a new password.
pub(crate) fn check_password_rules(name: &str, password: &str) -> Result<(), &'static str> {
    if password.chars().count() < LENGTH_MIN {
        return Err("a password needs at least 10 characters");
    }
    if password.len() > LENGTH_MAX {
        return Err("a password has at most 1024 bytes");
    }
    let folded = password.to_lowercase();
    if folded == name.to_lowercase() || COMMON.contains(&folded.as_str()) {
        return Err("this password is among the first that are guessed");
    }
    Ok(())
}

/// The most common passwords of ten characters and more.
const COMMON: &[&str] = &[
    "1234567890",
    "0123456789",
    "0987654321",
    "1234512345",
    "1111111111",
    "0000000000",
    "8888888888",
    "password12",
    "password123",
    "qwertyuiop",
    "qwerty1234",
    "qwerty12345",
    "1q2w3e4r5t",
    "1qaz2wsx3edc",
    "abcdefghij",
    "abc1234567",
    "iloveyou12",
    "administrator",
    "admin12345",
    "changeme123",
    "zxcvbnm123",
    "tenontenon",
    "dingtalk123",
    "letmein123",
    "welcome123",
    "passw0rd123",
    "asdfghjkl1",
];

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus::Opts;
    use tenon_base::SeededRandom;

    #[test]
    fn a_password_matches_its_hash_only() -> Result<(), Box<dyn std::error::Error>> {
        let counter = IntCounterVec::new(Opts::new("a", "b"), &["outcome"])?;
        let (_jobs, worker) = LoginWorker::new(Arc::new(SeededRandom::new(5)), counter)?;
        let hash = worker.hash(b"correct horse").unwrap_or_default();
        assert!(hash.starts_with("$argon2id$v=19$m=47104,t=1,p=1$"), "{hash}");
        assert!(worker.verify(&hash, b"correct horse"));
        assert!(!worker.verify(&hash, b"correct hors"));
        assert!(!worker.verify("", b""));
        assert_ne!(worker.hash(b"correct horse"), Some(hash), "salted");
        Ok(())
    }

    #[test]
    fn weak_passwords_are_refused() {
        assert!(check_password_rules("ada", "short").is_err());
        assert!(check_password_rules("ada", "Password123").is_err());
        assert!(check_password_rules("longername", "LongerName").is_err());
        assert!(check_password_rules("ada", &"x".repeat(2000)).is_err());
        assert!(check_password_rules("ada", "correct horse").is_ok());
        assert!(check_password_rules("ada", "十个汉字的一个长密码").is_ok());
    }
}
