//! Ids: 64-bit numbers that are unique in the whole system. 0 is never given.

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub u64);

        impl $name {
            /// False for 0, the number that means "none".
            pub const fn is_some(self) -> bool {
                self.0 != 0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id! {
    /// An organisation: owns users, conversations, keys and quotas; the first part of every key.
    OrgId
}
id! {
    /// The account of a person or an app in one organisation.
    UserId
}
id! {
    /// One installed client of a user; outlives sessions.
    DeviceId
}
id! {
    /// Where messages live: the unit of order and of placement.
    ConversationId
}
id! {
    /// A message, stamped by the receiver at admission.
    MessageId
}
id! {
    /// A system that calls the open API.
    AppId
}
id! {
    /// An invitation into an organisation: a link with an end.
    InvitationId
}
id! {
    /// Template that sets roles, names, joining and display of a conversation.
    SceneId
}
id! {
    /// A device signed in.
    SessionId
}
id! {
    /// One live transport of a session, unique in this process.
    ConnectionId
}
