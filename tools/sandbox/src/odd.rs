//! Odd answers: each bears a mark of what is odd about it, for whoever counts them.

use axum::response::Response;

/// What is odd about an answer; it travels beside it, not in it.
#[derive(Clone, Default)]
struct Marks(Vec<&'static str>);

/// Marks an answer as odd in this way.
pub(crate) fn mark(response: &mut Response, kind: &'static str) {
    let mut marks = response.extensions_mut().remove::<Marks>().unwrap_or_default();
    marks.0.push(kind);
    response.extensions_mut().insert(marks);
}

/// In which ways an answer is odd.
pub(crate) fn marks(response: &Response) -> &[&'static str] {
    response.extensions().get::<Marks>().map(|marks| marks.0.as_slice()).unwrap_or_default()
}
