//! The three states of whatever a user may ask for.

/// What is asked of one aspect of a repository.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Setting<T> {
    /// Nobody asked: it is not ours and stays as AWS has it.
    #[default]
    Unmanaged,
    /// Asked to be none: what AWS has is removed, and stays removed.
    Absent,
    /// Asked to be this.
    Present(T),
}

impl<T> Setting<T> {
    /// The value, where one is asked for.
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Unmanaged | Self::Absent => None,
            Self::Present(value) => Some(value),
        }
    }
}
