//! The one error: a code that programs act on, a message that people act on, and a cause for the log.
//!
//! Knows nothing of HTTP but the statuses, and of PostgreSQL only SQLSTATEs.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use postgres::error::SqlState;

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Every kind of failure that a client can meet, as the API names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Code {
    MalformedRequest,
    MissingApiKey,
    InvalidApiKey,
    InvalidToken,
    InvalidCredentials,
    InsufficientPermissions,
    AccountLocked,
    NotFound,
    MethodNotAllowed,
    Conflict,
    PreconditionFailed,
    PreconditionRequired,
    PayloadTooLarge,
    UnsupportedMediaType,
    ValidationError,
    RateLimitExceeded,
    QueryExecutionError,
    DatabaseUnavailable,
    PoolExhausted,
    QueryTimeout,
    InternalError,
}

impl Code {
    /// All of them, in the order of the documentation.
    pub const ALL: [Code; 21] = [
        Code::MalformedRequest,
        Code::MissingApiKey,
        Code::InvalidApiKey,
        Code::InvalidToken,
        Code::InvalidCredentials,
        Code::InsufficientPermissions,
        Code::AccountLocked,
        Code::NotFound,
        Code::MethodNotAllowed,
        Code::Conflict,
        Code::PreconditionFailed,
        Code::PreconditionRequired,
        Code::PayloadTooLarge,
        Code::UnsupportedMediaType,
        Code::ValidationError,
        Code::RateLimitExceeded,
        Code::QueryExecutionError,
        Code::DatabaseUnavailable,
        Code::PoolExhausted,
        Code::QueryTimeout,
        Code::InternalError,
    ];

    /// The status, the name and the title that go with the code.
    fn parts(self) -> (u16, &'static str, &'static str) {
        match self {
            Code::MalformedRequest => (400, "MALFORMED_REQUEST", "Malformed request"),
            Code::MissingApiKey => (401, "MISSING_API_KEY", "Credentials needed"),
            Code::InvalidApiKey => (401, "INVALID_API_KEY", "API key not accepted"),
            Code::InvalidToken => (401, "INVALID_TOKEN", "Token not accepted"),
            Code::InvalidCredentials => (401, "INVALID_CREDENTIALS", "Credentials not accepted"),
            Code::InsufficientPermissions => (403, "INSUFFICIENT_PERMISSIONS", "Permission missing"),
            Code::AccountLocked => (423, "ACCOUNT_LOCKED", "Account locked"),
            Code::NotFound => (404, "NOT_FOUND", "Not found"),
            Code::MethodNotAllowed => (405, "METHOD_NOT_ALLOWED", "Method not allowed"),
            Code::Conflict => (409, "CONFLICT", "Conflict"),
            Code::PreconditionFailed => (412, "PRECONDITION_FAILED", "Precondition failed"),
            Code::PreconditionRequired => (428, "PRECONDITION_REQUIRED", "Precondition required"),
            Code::PayloadTooLarge => (413, "PAYLOAD_TOO_LARGE", "Payload too large"),
            Code::UnsupportedMediaType => (415, "UNSUPPORTED_MEDIA_TYPE", "Unsupported media type"),
            Code::ValidationError => (422, "VALIDATION_ERROR", "Validation failed"),
            Code::RateLimitExceeded => (429, "RATE_LIMIT_EXCEEDED", "Too many requests"),
            Code::QueryExecutionError => (400, "QUERY_EXECUTION_ERROR", "Query failed"),
            Code::DatabaseUnavailable => (503, "DATABASE_UNAVAILABLE", "Database unavailable"),
            Code::PoolExhausted => (503, "POOL_EXHAUSTED", "No connection free"),
            Code::QueryTimeout => (504, "QUERY_TIMEOUT", "Query took too long"),
            Code::InternalError => (500, "INTERNAL_ERROR", "Internal error"),
        }
    }

    /// The status of the reply.
    pub fn status(self) -> u16 {
        self.parts().0
    }

    /// The name in the reply's `code`.
    pub fn name(self) -> &'static str {
        self.parts().1
    }

    /// The reply's `title`.
    pub fn title(self) -> &'static str {
        self.parts().2
    }
}

/// What is wrong with one field of the input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    pub field: String,
    pub message: String,
}

/// A failure, as it is told to the client; its cause is for the log.
#[derive(Debug)]
pub struct Error {
    pub code: Code,
    pub message: String,
    pub fields: Vec<FieldError>,
    pub retry_after: Option<Duration>,
    /// Headers of the reply, beside what the code calls for.
    pub headers: Vec<(&'static str, String)>,
    cause: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    pub fn new(code: Code, message: impl Into<String>) -> Error {
        Error { code, message: message.into(), fields: Vec::new(), retry_after: None, headers: Vec::new(), cause: None }
    }

    /// Something that should not have happened. The message is for the log; clients get only the request's id.
    pub fn internal(message: impl Into<String>) -> Error {
        Error::new(Code::InternalError, message)
    }

    pub fn database_unavailable(message: impl Into<String>) -> Error {
        Error::new(Code::DatabaseUnavailable, message).retry_after(Duration::from_secs(2))
    }

    pub fn pool_exhausted(message: impl Into<String>) -> Error {
        Error::new(Code::PoolExhausted, message).retry_after(Duration::from_secs(1))
    }

    /// The same for another request that it has befallen, too; the cause is told once.
    pub fn for_another(&self) -> Error {
        Error { retry_after: self.retry_after, headers: self.headers.clone(), ..Error::new(self.code, &*self.message) }
    }

    /// The same error with what brought it about.
    pub fn because(mut self, cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Error {
        self.cause = Some(cause.into());
        self
    }

    /// The same error with the time after which trying again makes sense.
    pub fn retry_after(mut self, time: Duration) -> Error {
        self.retry_after = Some(time);
        self
    }

    /// The same error with a header for its reply.
    pub fn header(mut self, name: &'static str, value: String) -> Error {
        self.headers.push((name, value));
        self
    }

    /// The same error with what is wrong with one field.
    pub fn field(mut self, field: impl Into<String>, message: impl Into<String>) -> Error {
        self.fields.push(FieldError { field: field.into(), message: message.into() });
        self
    }

    /// PostgreSQL's own error, if there is one behind this.
    pub fn database(&self) -> Option<&postgres::Error> {
        self.cause.as_ref()?.downcast_ref()
    }

    /// Whether a row found no partition that it belongs to.
    pub fn is_missing_partition(&self) -> bool {
        self.database().is_some_and(is_missing_partition)
    }

    /// Whether nothing happened, as others were in the way: the same may be tried again.
    pub fn is_transient(&self) -> bool {
        matches!(self.sql_state(), Some(&(SqlState::T_R_SERIALIZATION_FAILURE | SqlState::T_R_DEADLOCK_DETECTED)))
    }

    /// The SQLSTATE of PostgreSQL's error, if there is one behind this.
    pub fn sql_state(&self) -> Option<&SqlState> {
        self.database()?.code()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)?;
        for field in &self.fields {
            write!(formatter, "\n  {}: {}", field.field, field.message)?;
        }
        Ok(())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.cause.as_deref().map(|cause| cause as _)
    }
}

/// A check that has no name is PostgreSQL's own: that of the bounds of partitions.
fn is_missing_partition(error: &postgres::Error) -> bool {
    let found = error.as_db_error();
    found.is_some_and(|found| *found.code() == SqlState::CHECK_VIOLATION && found.constraint().is_none())
}

/// An error of PostgreSQL or its driver, by its SQLSTATE alone: messages are translated, and change.
impl From<postgres::Error> for Error {
    fn from(error: postgres::Error) -> Error {
        let Some(state) = error.code() else {
            let message = match error.is_closed() {
                true => "the connection to the database was lost",
                false => "the database could not be reached",
            };
            return Error::database_unavailable(message).because(error);
        };
        let (code, message) = match *state {
            SqlState::UNIQUE_VIOLATION => (Code::Conflict, "another row has this value already"),
            SqlState::FOREIGN_KEY_VIOLATION => (Code::Conflict, "a row that this refers to, or that refers to this"),
            SqlState::EXCLUSION_VIOLATION => (Code::Conflict, "another row is in the way"),
            SqlState::T_R_SERIALIZATION_FAILURE | SqlState::T_R_DEADLOCK_DETECTED => {
                (Code::Conflict, "others were changing the same rows; try again")
            }
            _ if is_missing_partition(&error) => {
                (Code::DatabaseUnavailable, "a partition is missing: a job of the server makes it, see `mainstay jobs`")
            }
            SqlState::CHECK_VIOLATION | SqlState::NOT_NULL_VIOLATION => {
                (Code::ValidationError, "a value is not allowed")
            }
            SqlState::QUERY_CANCELED => (Code::QueryTimeout, "the database took too long"),
            SqlState::LOCK_NOT_AVAILABLE => (Code::QueryTimeout, "another session holds a lock for too long"),
            SqlState::TOO_MANY_CONNECTIONS
            | SqlState::ADMIN_SHUTDOWN
            | SqlState::CRASH_SHUTDOWN
            | SqlState::CANNOT_CONNECT_NOW
            | SqlState::INVALID_PASSWORD
            | SqlState::INVALID_AUTHORIZATION_SPECIFICATION
            | SqlState::INVALID_CATALOG_NAME
            | SqlState::READ_ONLY_SQL_TRANSACTION => {
                (Code::DatabaseUnavailable, "the database cannot serve at present")
            }
            SqlState::DISK_FULL => (Code::DatabaseUnavailable, "the disk of the database is full"),
            // Data that the checks before it let through: a time beyond PostgreSQL's, a number beyond the column's.
            _ if state.code().starts_with("22") => (Code::ValidationError, "a value cannot be kept"),
            SqlState::INSUFFICIENT_PRIVILEGE => (Code::InsufficientPermissions, "the database does not allow this"),
            SqlState::UNDEFINED_TABLE | SqlState::UNDEFINED_FUNCTION | SqlState::INVALID_SCHEMA_NAME => {
                (Code::DatabaseUnavailable, "the database is not at this version: run `mainstay migrate`")
            }
            _ if state.code().starts_with("08") => {
                (Code::DatabaseUnavailable, "the connection to the database was lost")
            }
            _ => (Code::InternalError, "the database refused a statement"),
        };
        let error = Error::new(code, message).because(error);
        match code {
            Code::DatabaseUnavailable => error.retry_after(Duration::from_secs(2)),
            _ => error,
        }
    }
}
