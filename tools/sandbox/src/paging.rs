//! Links to other pages, absolute as the providers write them.

use http::{HeaderMap, Uri, header};

/// The address of this request with some numbers in its query set anew; the rest of the query stays as it was written.
pub(crate) fn link(headers: &HeaderMap, uri: &Uri, numbers: &[(&str, usize)]) -> String {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    let kept = uri.query().unwrap_or_default().split('&').filter(|pair| {
        let name = pair.split('=').next().unwrap_or_default();
        !name.is_empty() && numbers.iter().all(|(number, _)| *number != name)
    });
    let mut pairs: Vec<String> = kept.map(str::to_owned).collect();
    pairs.extend(numbers.iter().map(|(name, number)| format!("{name}={number}")));
    format!("http://{host}{}?{}", uri.path(), pairs.join("&"))
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, Uri};

    use super::link;

    #[test]
    fn only_the_numbers_change() {
        let mut headers = HeaderMap::new();
        headers.insert("host", "127.0.0.1:9".parse().unwrap());
        let uri: Uri = "/list/?link_id=a%26b&page=1".parse().unwrap();
        assert_eq!(link(&headers, &uri, &[("page", 2)]), "http://127.0.0.1:9/list/?link_id=a%26b&page=2");
        assert_eq!(link(&headers, &"/list/".parse().unwrap(), &[("page", 2)]), "http://127.0.0.1:9/list/?page=2");
    }
}
