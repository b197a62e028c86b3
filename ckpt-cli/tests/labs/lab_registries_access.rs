//! Who may use a registry: tokens for a password, certificates of clients, and to whom a password is told.

use std::fs;
use std::net::TcpStream;
use std::process::{Child, Command};
use std::sync::{Arc, Mutex};

use crate::lab::*;
use crate::registry::{Answer, Registry, Spoken};

/// A server that gives tokens. It ends with this value.
struct TokenServer(Child);

impl TokenServer {
    fn start(folder: &std::path::Path, port: u16) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/labs/registry/token-server.py");
        let server = Command::new("python3").args([script, &port.to_string(), text(folder)]).spawn().unwrap();
        let server = TokenServer(server);
        wait_for("the server of tokens", || TcpStream::connect(("localhost", port)).ok());
        server
    }
}

impl Drop for TokenServer {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_a_registry_that_takes_tokens_gets_them() {
    let folder = folder();
    let registry = Registry::with_tokens(folder.path(), 5000, "https://localhost:5002/token");
    let _tokens = TokenServer::start(folder.path(), 5002);
    registry.trust();
    let archive = archive_of_web(folder.path(), &[], &[], "echo new > /srv/new");
    let (image, pulled) = (registry.image("team/web:1"), folder.path().join("pulled.tar"));
    let said = registry.ckpt_fails(&["push", &archive, &image]);
    assert_says(&said, &["refuses (401", "podman login localhost:5000"]);
    registry.log_in();
    fs::write(folder.path().join("asked"), "").unwrap();
    registry.ckpt(&["push", &archive, &image]);
    registry.ckpt(&["pull", &image, "-e", text(&pulled)]);
    assert!(run("cmp", &[&archive, text(&pulled)]).status.success());
    let asked = fs::read_to_string(folder.path().join("asked")).unwrap();
    let mut scopes: Vec<&str> = asked.lines().collect();
    scopes.dedup();
    assert_eq!(scopes, ["lab repository:team/web:pull,push", "lab repository:team/web:pull"]);
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_no_password_goes_to_a_server_of_tokens_without_tls() {
    let folder = folder();
    let registry = Registry::with_tokens(folder.path(), 5000, "http://localhost:5002/token");
    registry.trust();
    let pulled = folder.path().join("pulled.tar");
    let said = registry.ckpt_fails(&["pull", &registry.image("web:1"), "-e", text(&pulled)]);
    assert_says(&said, &["http://localhost:5002/token", "it is not https"]);
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_a_registry_that_wants_certificates_of_its_clients_gets_them() {
    let folder = folder();
    let registry = Registry::for_certificates(folder.path(), 5000);
    registry.trust();
    let archive = archive_of_web(folder.path(), &[], &[], "");
    let (image, pulled) = (registry.image("web:1"), folder.path().join("pulled.tar"));
    assert_says(&registry.ckpt_fails(&["push", &archive, &image]), &["ertificate"]);
    registry.show_certificate();
    registry.ckpt(&["push", &archive, &image]);
    registry.ckpt(&["pull", &image, "-e", text(&pulled)]);
    assert!(run("cmp", &[&archive, text(&pulled)]).status.success());
}

/// A registry that sends clients elsewhere, to have their password there.
#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_nobody_but_the_registry_is_told_the_password() {
    let folder = folder();
    let registry = Registry::plain(folder.path(), 5001);
    let archive = archive_of_web(folder.path(), &[], &[], "");
    let heard = Arc::new(Mutex::new(Vec::new()));
    let thief = Spoken::start(1 << 20, {
        let heard = heard.clone();
        move |request| {
            heard.lock().unwrap().push(request.header("authorization").map(str::to_owned));
            Answer::of("202 Accepted", &[], b"")
        }
    });
    let elsewhere = format!("http://localhost:{}/upload", thief.port);
    let inviting = Spoken::start(1 << 20, move |request| {
        let is_known = request.header("authorization").is_some();
        match &request.method[..] {
            _ if !is_known => Answer::of("401 Unauthorized", &[("WWW-Authenticate", "Basic realm=\"x\"")], b""),
            "POST" => Answer::of("202 Accepted", &[("Location", &elsewhere)], b""),
            "HEAD" => Answer::of("404 Not Found", &[], b""),
            "GET" if request.path == "/v2/" => Answer::of("200 OK", &[], b"{}"),
            "GET" => Answer::of("307 Temporary Redirect", &[("Location", &elsewhere)], b""),
            _ => Answer::of("404 Not Found", &[], b""),
        }
    });
    let host = format!("localhost:{}", inviting.port);
    registry.told(&format!("[[registry]]\nlocation = '{host}'\ninsecure = true\n"));
    let auth = format!("{{\"auths\": {{\"{host}\": {{\"auth\": \"bWU6c2VjcmV0\"}}}}}}");
    fs::write(registry.auth_file(), auth).unwrap();
    let pulled = folder.path().join("pulled.tar");
    registry.ckpt_fails(&["pull", &inviting.image("web:1"), "-e", text(&pulled)]);
    registry.ckpt_fails(&["push", &archive, &inviting.image("web:1")]);
    let heard = heard.lock().unwrap();
    assert!(!heard.is_empty() && heard.iter().all(Option::is_none), "{heard:?}");
    assert!(!pulled.exists());
}
