//! X-Ray: what is sent on from an invocation belongs to its trace.
//!
//! Lambda makes the segments of the functions by itself, where the template's `Tracing` is on. That the worker's stands below
//! the receiver's, and the consumer's below the worker's, is for whoever sends the message to say.

/// Where the runtime puts the header of the present invocation.
const HEADER: &str = "_X_AMZN_TRACE_ID";

/// The header of the present invocation, if it is one of those that are traced.
pub(crate) fn header() -> Option<String> {
    std::env::var(HEADER).ok().and_then(traced)
}

/// **Rationale.** Without tracing Lambda hands a header over too, which says that nothing is kept. To send it on would make
/// each message longer for nothing.
fn traced(header: String) -> Option<String> {
    header.split(';').any(|part| part == "Sampled=1").then_some(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_traced_is_sent_on() {
        let root = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8";
        for (end, traced_too) in
            [(";Sampled=1", true), (";Sampled=1;Lineage=a:1", true), (";Sampled=0", false), ("", false)]
        {
            let header = format!("{root}{end}");
            assert_eq!(traced(header.clone()), traced_too.then_some(header));
        }
    }
}
