//! Real registries on this machine, and lines to them that break.

mod line;
mod spoken;

use std::fs::{self, File};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output};

use crate::lab::*;
pub(crate) use line::Line;
pub(crate) use spoken::{Answer, Spoken};

/// Where programs look for the authorities of `localhost` at a port.
const CERTIFICATES: &str = "/etc/containers/certs.d";
/// Who may use a registry with a password.
pub(crate) const USER: [&str; 2] = ["me", "secret"];

/// Debian's docker-registry, and what programs are told of it. It ends with this value.
pub(crate) struct Registry {
    server: Option<Child>,
    configuration: PathBuf,
    pub(crate) blobs: PathBuf,
    host: &'static str,
    port: u16,
    /// Files that programs are told of by the environment, so that nothing of this host changes.
    settings: PathBuf,
}

impl Registry {
    /// Plain HTTP, for everybody.
    pub(crate) fn plain(folder: &Path, port: u16) -> Self {
        Registry::start(folder, "localhost", port, "", "")
    }

    /// The same at an address of this machine.
    pub(crate) fn plain_at(folder: &Path, address: &'static str, port: u16) -> Self {
        let registry = Registry::start(folder, address, port, "", "");
        registry.told_insecure();
        registry
    }

    /// TLS by an authority of its own, and a password.
    pub(crate) fn with_password(folder: &Path, port: u16) -> Self {
        make_certificates(folder);
        let hash = r#"perl -e 'print "me:", crypt("secret", q($2y$05$abcdefghijklmnopqrstuu)), "\n"' > htpasswd"#;
        shell_in(folder, hash);
        let path = folder.display();
        let tls = format!(", tls: {{certificate: {path}/server.crt, key: {path}/server.key}}");
        let auth = format!("auth: {{htpasswd: {{realm: lab, path: {path}/htpasswd}}}}");
        Registry::start(folder, "localhost", port, &tls, &auth)
    }

    /// TLS, and tokens that a server at `realm` gives for the password.
    pub(crate) fn with_tokens(folder: &Path, port: u16, realm: &str) -> Self {
        make_certificates(folder);
        let path = folder.display();
        let tls = format!(", tls: {{certificate: {path}/server.crt, key: {path}/server.key}}");
        let auth = format!(
            "auth: {{token: {{realm: '{realm}', service: lab, issuer: lab, \
             rootcertbundle: {path}/server.crt}}}}"
        );
        Registry::start(folder, "localhost", port, &tls, &auth)
    }

    /// TLS, for those who have a certificate of its authority.
    pub(crate) fn for_certificates(folder: &Path, port: u16) -> Self {
        make_certificates(folder);
        let path = folder.display();
        let tls =
            format!(", tls: {{certificate: {path}/server.crt, key: {path}/server.key, clientcas: ['{path}/ca.crt']}}");
        Registry::start(folder, "localhost", port, &tls, "")
    }

    fn start(folder: &Path, host: &'static str, port: u16, tls: &str, auth: &str) -> Self {
        let path = folder.display();
        let configuration = folder.join(format!("{port}.yml"));
        let blobs = folder.join(format!("registry-{port}"));
        let text = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {path}/registry-{port}}}}}\n\
             http: {{addr: '{host}:{port}'{tls}}}\n{auth}\n"
        );
        fs::write(&configuration, text).unwrap();
        let settings = folder.join(format!("settings-{port}"));
        fs::create_dir_all(&settings).unwrap();
        fs::write(settings.join("registries.conf"), "").unwrap();
        let mut registry = Registry { server: None, configuration, blobs, host, port, settings };
        registry.run();
        registry
    }

    /// Starts it, or starts it again.
    pub(crate) fn run(&mut self) {
        let log = File::create(self.settings.join("log")).unwrap();
        let mut server = Command::new("docker-registry");
        server.arg("serve").arg(&self.configuration).stdout(log.try_clone().unwrap()).stderr(log);
        self.server = Some(server.spawn().unwrap());
        wait_for("the registry", || TcpStream::connect((self.host, self.port)).ok());
    }

    pub(crate) fn kill(&mut self) {
        if let Some(mut server) = self.server.take() {
            server.kill().unwrap();
            server.wait().unwrap();
        }
    }

    /// The image `name` in it.
    pub(crate) fn image(&self, name: &str) -> String {
        format!("{}:{}/{name}", self.host, self.port)
    }

    /// Has programs trust its authority.
    pub(crate) fn trust(&self) {
        let folder = self.certificates();
        fs::create_dir_all(&folder).unwrap();
        fs::copy(self.configuration.with_file_name("ca.crt"), folder.join("ca.crt")).unwrap();
    }

    /// Has programs show it a certificate that it takes.
    pub(crate) fn show_certificate(&self) {
        for (from, to) in [("server.crt", "client.cert"), ("server.key", "client.key")] {
            fs::copy(self.configuration.with_file_name(from), self.certificates().join(to)).unwrap();
        }
    }

    fn certificates(&self) -> PathBuf {
        Path::new(CERTIFICATES).join(format!("localhost:{}", self.port))
    }

    /// Where `podman login` keeps passwords.
    pub(crate) fn auth_file(&self) -> PathBuf {
        self.settings.join("auth.json")
    }

    /// What registries.conf says from now on.
    pub(crate) fn told(&self, text: &str) {
        fs::write(self.settings.join("registries.conf"), text).unwrap();
    }

    pub(crate) fn told_insecure(&self) {
        let Registry { host, port, .. } = self;
        self.told(&format!("[[registry]]\nlocation = '{host}:{port}'\ninsecure = true\n"));
    }

    /// Runs a program with this registry's settings.
    pub(crate) fn output(&self, program: &str, arguments: &[&str]) -> Output {
        self.command(program, arguments).output().unwrap()
    }

    pub(crate) fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env("REGISTRY_AUTH_FILE", self.auth_file())
            .env("CONTAINERS_REGISTRIES_CONF", self.settings.join("registries.conf"));
        command
    }

    /// The same, which must succeed; gives what it prints.
    pub(crate) fn succeed(&self, program: &str, arguments: &[&str]) -> String {
        let output = self.output(program, arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program} {arguments:?}: {}\n{said}", output.status);
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    pub(crate) fn ckpt(&self, arguments: &[&str]) -> String {
        self.succeed(env!("CARGO_BIN_EXE_ckpt"), arguments)
    }

    /// The same, which must fail; gives what it says.
    pub(crate) fn ckpt_fails(&self, arguments: &[&str]) -> String {
        let said = fails(&mut self.command(env!("CARGO_BIN_EXE_ckpt"), arguments));
        assert!(said.starts_with("Error: ") && said.lines().count() == 1, "{said}");
        said
    }

    pub(crate) fn log_in(&self) {
        let [user, password] = USER;
        self.succeed("podman", &["login", "-u", user, "-p", password, &format!("localhost:{}", self.port)]);
    }

    /// The files of its blobs, largest first.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let found = succeed("find", &[text(&self.blobs), "-path", "*/blobs/*", "-name", "data"]);
        let mut files: Vec<PathBuf> = found.lines().map(PathBuf::from).collect();
        files.sort_by_key(|file| std::cmp::Reverse(file.metadata().unwrap().len()));
        files
    }
}

/// An authority, and what it certifies: `localhost`.
fn make_certificates(folder: &Path) {
    shell_in(
        folder,
        r#"
        new='openssl req -newkey rsa:2048 -nodes'
        $new -x509 -keyout ca.key -out ca.crt -days 2 -subj /CN=lab
        $new -keyout server.key -out server.csr -subj /CN=localhost
        printf 'subjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE\n' > names
        openssl x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile names -out server.crt
        "#,
    );
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.kill();
        let _ = fs::remove_dir_all(self.certificates());
        let _ = fs::remove_dir(CERTIFICATES);
    }
}
