//! A registry that says what a test wants it to say.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// One request.
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    /// In small letters.
    pub(crate) headers: Vec<(String, String)>,
    /// What comes of the body, at most as much as was asked for.
    pub(crate) body: Vec<u8>,
    pub(crate) is_whole: bool,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }
}

/// What it answers. Without one, the connection ends.
pub(crate) struct Answer {
    pub(crate) status: &'static str,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
    /// How long the body is said to be, if not as long as it is.
    pub(crate) said_length: Option<u64>,
}

impl Answer {
    pub(crate) fn of(status: &'static str, headers: &[(&'static str, &str)], body: &[u8]) -> Option<Self> {
        let headers = headers.iter().map(|(name, value)| (*name, value.to_string())).collect();
        Some(Answer { status, headers, body: body.to_vec(), said_length: None })
    }
}

type Speak = dyn FnMut(&Request) -> Option<Answer> + Send;

/// Plain HTTP on a port of its own.
pub(crate) struct Spoken {
    pub(crate) port: u16,
}

impl Spoken {
    /// Each request is answered by `speak`, which gets at most `most` bytes of a body.
    pub(crate) fn start(most: usize, speak: impl FnMut(&Request) -> Option<Answer> + Send + 'static) -> Self {
        let listener = TcpListener::bind(("localhost", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let speak: Arc<Mutex<Speak>> = Arc::new(Mutex::new(speak));
        // It ends with the test's process.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let speak = speak.clone();
                // Who is cut off, or cuts off, has said enough.
                thread::spawn(move || drop(converse(&stream, most, &speak)));
            }
        });
        Spoken { port }
    }

    pub(crate) fn image(&self, name: &str) -> String {
        format!("localhost:{}/{name}", self.port)
    }
}

fn converse(mut stream: &TcpStream, most: usize, speak: &Mutex<Speak>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let Some(mut request) = head(&mut reader)? else { return Ok(()) };
        let length = request.header("content-length").and_then(|length| length.parse().ok());
        let is_chunked = request.header("transfer-encoding").is_some();
        (request.body, request.is_whole) = match (length, is_chunked) {
            (Some(length), _) => sized(&mut reader, length, most)?,
            (None, true) => chunked(&mut reader, most)?,
            (None, false) => (Vec::new(), true),
        };
        let Some(answer) = speak.lock().unwrap()(&request) else { return Ok(()) };
        let length = answer.said_length.unwrap_or(answer.body.len() as u64);
        let mut text = format!("HTTP/1.1 {}\r\nContent-Length: {length}\r\n", answer.status);
        answer.headers.iter().for_each(|(name, value)| text.push_str(&format!("{name}: {value}\r\n")));
        stream.write_all(format!("{text}\r\n").as_bytes())?;
        if request.method != "HEAD" {
            stream.write_all(&answer.body)?;
        }
        if answer.said_length.is_some() || !request.is_whole {
            return Ok(());
        }
    }
}

fn head(reader: &mut impl BufRead) -> std::io::Result<Option<Request>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.push((name.to_ascii_lowercase(), value.to_owned()));
    }
    Ok(Some(Request { method, path, headers, body: Vec::new(), is_whole: true }))
}

fn sized(reader: &mut impl Read, length: usize, most: usize) -> std::io::Result<(Vec<u8>, bool)> {
    let mut body = vec![0; length.min(most)];
    reader.read_exact(&mut body)?;
    Ok((body, length <= most))
}

fn chunked(reader: &mut impl BufRead, most: usize) -> std::io::Result<(Vec<u8>, bool)> {
    let mut body = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let length = usize::from_str_radix(line.trim(), 16).map_err(std::io::Error::other)?;
        if body.len() + length > most {
            let rest = most - body.len();
            reader.by_ref().take(rest as u64).read_to_end(&mut body)?;
            return Ok((body, false));
        }
        reader.by_ref().take(length as u64).read_to_end(&mut body)?;
        // The end of the line behind it; of the last one, the empty trailer.
        reader.read_line(&mut String::new())?;
        if length == 0 {
            return Ok((body, true));
        }
    }
}
