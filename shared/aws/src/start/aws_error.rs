//! What an AWS error means for the caller: wait, or give up. The service's own message is never kept, since it may
//! quote what was sent.

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

/// A failed call, in words fixed in this file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// It may work later, and it may even have happened.
    Unavailable(&'static str),
    /// It did not happen, and the same call will not.
    Refused(&'static str),
}

impl Failure {
    /// What to tell an operator.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Unavailable(words) | Self::Refused(words) => words,
        }
    }

    /// Classifies any SDK error.
    pub(crate) fn of<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> Self {
        match error {
            SdkError::ConstructionFailure(_) => Self::Refused("the request could not be built"),
            SdkError::TimeoutError(_) => Self::Unavailable("timed out"),
            SdkError::DispatchFailure(_) => Self::Unavailable("not reachable"),
            SdkError::ResponseError(_) => Self::Unavailable("the answer was not readable"),
            SdkError::ServiceError(context) => {
                Self::of_answer(context.err().code().unwrap_or(""), context.raw().status().as_u16())
            }
            // The enum is open. An unknown kind of failure says nothing about whether the call happened.
            _ => Self::Unavailable("failed in an unknown way"),
        }
    }

    fn of_answer(code: &str, status: u16) -> Self {
        match code {
            "ProvisionedThroughputExceededException"
            | "RequestLimitExceeded"
            | "RequestThrottled"
            | "Throttling"
            | "ThrottlingException"
            | "ThrottledException"
            | "TooManyRequestsException" => Self::Unavailable("throttled"),
            "TransactionConflictException" | "ReplicatedWriteConflictException" => {
                Self::Unavailable("another write was in the way")
            }
            "AccessDeniedException" | "AccessDenied" => Self::Refused("no permission"),
            "ExpiredTokenException" | "ExpiredToken" | "UnrecognizedClientException" => {
                Self::Refused("the credentials are not accepted")
            }
            "ResourceNotFoundException" | "AWS.SimpleQueueService.NonExistentQueue" | "QueueDoesNotExist" => {
                Self::Refused("there is no such resource")
            }
            "ValidationException" => Self::Refused("the request is not valid, or too large"),
            _ if matches!(status, 400..=499) && !matches!(status, 408 | 429) => Self::Refused("refused"),
            _ => Self::Unavailable("the service failed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_sorted_by_what_helps() {
        let rows = [
            ("ThrottlingException", 400, Failure::Unavailable("throttled")),
            ("InternalServerError", 500, Failure::Unavailable("the service failed")),
            ("", 503, Failure::Unavailable("the service failed")),
            ("SomethingNew", 429, Failure::Unavailable("the service failed")),
            ("AccessDeniedException", 400, Failure::Refused("no permission")),
            ("ValidationException", 400, Failure::Refused("the request is not valid, or too large")),
            ("SomethingNew", 400, Failure::Refused("refused")),
        ];
        for (code, status, expected) in rows {
            assert_eq!(Failure::of_answer(code, status), expected, "{code} {status}");
        }
    }
}
