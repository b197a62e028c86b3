//! Answers in podman's words: its headers, its JSON, and its JSON of errors.

use std::error::Error;
use std::iter::successors;

use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use serde::Serialize;

use crate::body::{Body, full};

/// What podman says in each answer, whatever it is about.
const OF_EVERY_ANSWER: [&str; 4] = ["api-version", "libpod-api-version", "server", "x-reference-id"];

/// podman's `ErrorModel`.
#[derive(Serialize)]
struct Refusal<'r> {
    cause: &'r str,
    message: &'r str,
    response: u16,
}

/// The headers of every answer, taken from one of podman's own.
pub(crate) fn podmans_headers(answer: &HeaderMap) -> HeaderMap {
    let names = OF_EVERY_ANSWER.map(HeaderName::from_static);
    names.into_iter().filter_map(|name| Some((name.clone(), answer.get(&name)?.clone()))).collect()
}

/// JSON, with podman's newline at its end.
pub(crate) fn json(status: StatusCode, headers: HeaderMap, value: &impl Serialize) -> Response<Body> {
    let mut text = serde_json::to_vec(value).expect("strings and numbers are JSON");
    text.push(b'\n');
    let mut response = Response::new(full(text));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Why a call failed; `details` are lines that other programs said.
pub(crate) fn failure(
    status: StatusCode,
    headers: HeaderMap,
    error: &(dyn Error + 'static),
    details: &[String],
) -> Response<Body> {
    let chain = chain(error);
    let cause = chain.last().map_or("", String::as_str);
    let message = [&[chain.join(": ")], details].concat().join("\n");
    json(status, headers, &Refusal { cause, message: &message, response: status.as_u16() })
}

/// An error and what is behind it.
pub(crate) fn words(error: &(dyn Error + 'static)) -> String {
    chain(error).join(": ")
}

fn chain(error: &(dyn Error + 'static)) -> Vec<String> {
    successors(Some(error), |&error| error.source()).map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use http_body_util::BodyExt;

    #[derive(Debug, thiserror::Error)]
    #[error("open {0}")]
    struct Open(&'static str, #[source] io::Error);

    #[tokio::test]
    async fn an_error_has_podmans_keys() {
        let error = Open("x.tar", io::Error::other("no such file"));
        let answer = failure(StatusCode::INTERNAL_SERVER_ERROR, HeaderMap::new(), &error, &["criu: no".to_owned()]);
        assert_eq!(answer.status(), 500);
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        let json: serde_json::Value = serde_json::from_slice(&body).unwrap();
        let expected = serde_json::json!({"cause": "no such file", "message": "open x.tar: no such file\ncriu: no", "response": 500});
        assert_eq!(json, expected);
    }
}
