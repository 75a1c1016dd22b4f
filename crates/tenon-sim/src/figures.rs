//! Named counts of what a run did.

/// A struct of counts, with their sum and their names.
macro_rules! figures {
    ($(#[$about:meta])* $of:ident: $($(#[$doc:meta])* $name:ident),* $(,)?) => {
        $(#[$about])*
        #[derive(Debug, Clone, Default, PartialEq, Eq)]
        pub struct $of {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl $of {
            /// Adds those of another run.
            pub fn add(&mut self, other: &Self) {
                $(self.$name += other.$name;)*
            }

            /// Name and value of each.
            pub fn all(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name)),*]
            }
        }
    };
}

pub(crate) use figures;
