use std::fmt;

/// What is wrong with a name or a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The message has no whole header.
    Header,
    /// The message is not a reply to a standard query.
    NotAReply,
    /// The id is not that of the query.
    WrongId,
    /// The question is not that of the query.
    WrongQuestion,
    /// The message ends before something that it announces.
    Short,
    /// A label is longer than [`super::LABEL_MAX`], or of a kind that does not exist.
    Label,
    /// A pointer does not lead back to an earlier name, or leads through too many
    /// others.
    Pointer,
    /// A name is longer than [`super::NAME_MAX`].
    NameTooLong,
    /// The data of a record do not fill the length given for them.
    RecordLength,
    /// There are more than [`super::RECORDS_MAX`] records.
    TooManyRecords,
    /// The message is longer than [`super::TCP_MESSAGE_MAX`].
    MessageTooLong,
    /// The text of a name has an empty label, or no label at all.
    EmptyLabel,
    /// The text of a name has a character other than letters, digits, `-` and `_`.
    Character,
}

impl Error {
    /// Whether the message cannot be told from one that somebody else made up: the
    /// real reply may still come.
    pub fn is_stray(self) -> bool {
        matches!(
            self,
            Error::Header | Error::NotAReply | Error::WrongId | Error::WrongQuestion
        )
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Error::Header => "message without a whole header",
            Error::NotAReply => "not a reply",
            Error::WrongId => "wrong id",
            Error::WrongQuestion => "wrong question",
            Error::Short => "message ends early",
            Error::Label => "label too long or of an unknown kind",
            Error::Pointer => "name with a pointer that leads nowhere",
            Error::NameTooLong => "name too long",
            Error::RecordLength => "record data of the wrong length",
            Error::TooManyRecords => "too many records",
            Error::MessageTooLong => "message too long",
            Error::EmptyLabel => "name with an empty label",
            Error::Character => "name with a character that is not a letter, digit, - or _",
        })
    }
}

impl std::error::Error for Error {}
