//! Examples for the pages of the manual. A test parses each of them.

/// A command line, and what it does.
pub(super) struct Example {
    /// As `ckpt-rootfs-save`.
    page: &'static str,
    /// What it does, without a full stop.
    pub(super) what: &'static str,
    pub(super) line: &'static str,
}

const fn example(page: &'static str, what: &'static str, line: &'static str) -> Example {
    Example { page, what, line }
}

const EXAMPLES: &[Example] = &[
    example("ckpt", "Save a container to a file, and stop it", "ckpt checkpoint web -e web.tar"),
    example("ckpt", "Bring it back", "ckpt restore -i web.tar"),
    example("ckpt", "See what works on this host", "ckpt doctor"),
    example("ckpt-checkpoint", "Save a container to a file, and stop it", "ckpt checkpoint web -e web.tar"),
    example("ckpt-checkpoint", "Save it, and let it run on", "ckpt checkpoint web -R -e web.tar"),
    example(
        "ckpt-checkpoint",
        "Save all that run, each to a file of its own",
        "ckpt checkpoint --all -R -e /srv/saved/",
    ),
    example("ckpt-checkpoint", "Send one to another host", "ckpt checkpoint web -e - | ssh other ckpt restore -i -"),
    example("ckpt-restore", "Bring a container back, under its name and ID", "ckpt restore -i web.tar"),
    example("ckpt-restore", "Make a second container of it", "ckpt restore -i web.tar --name web2 -p 8081:80"),
    example("ckpt-restore", "Have it run before its memory is there", "ckpt restore -i web.tar --lazy"),
    example(
        "ckpt-fork",
        "Make three copies, each with a port of its own",
        "ckpt fork web --count 3 --publish 8080+{n}:80",
    ),
    example("ckpt-save", "Save a container before it is changed", "ckpt save web --tag before-upgrade"),
    example("ckpt-history", "List the saves of a container", "ckpt history web"),
    example("ckpt-history", "Draw them", "ckpt history web --chart"),
    example("ckpt-rollback", "Go back to the newest save", "ckpt rollback web"),
    example("ckpt-rollback", "Go back to the one with this tag", "ckpt rollback web before-upgrade"),
    example("ckpt-rm", "Remove the third newest save", "ckpt rm web~3"),
    example("ckpt-prune", "Keep one for each of the last seven days", "ckpt prune web --keep-daily 7"),
    example("ckpt-prune", "See what would be removed", "ckpt prune web --keep-last 3 --dry-run"),
    #[cfg(feature = "images")]
    example("ckpt-push", "Put a checkpoint into a registry", "ckpt push web.tar registry.example.com/team/web:1"),
    #[cfg(feature = "images")]
    example("ckpt-pull", "Get it from there", "ckpt pull registry.example.com/team/web:1 -e web.tar"),
    example("ckpt-inspect", "Look into an archive", "ckpt inspect web.tar"),
    example("ckpt-diff", "See what a container has changed of its image", "ckpt diff web"),
    example("ckpt-diff", "See what lies between two checkpoints", "ckpt diff web.tar later.tar"),
    example("ckpt-layers", "See which directories a container is made of", "ckpt layers web"),
    example("ckpt-rootfs", "Save what a container changed", "ckpt rootfs save web -e changes.tar"),
    example("ckpt-rootfs-save", "Save what a container of Docker changed", "ckpt rootfs save web -e changes.tar"),
    example("ckpt-rootfs-apply", "Make another container look so", "ckpt rootfs apply web2 -i changes.tar"),
    example("ckpt-rootfs-diff", "List the changes", "ckpt rootfs diff web"),
    example("ckpt-lazy", "See whose memory is still on its way", "ckpt lazy"),
    example("ckpt-dedup", "Have two checkpoints share what is equal", "ckpt dedup monday.tar tuesday.tar"),
    #[cfg(feature = "serve")]
    example("ckpt-serve", "Offer podman's API to the group ops", "ckpt serve --group ops"),
    example("ckpt-doctor", "Check this host, and the folder for archives", "ckpt doctor /srv/saved"),
    example("ckpt-pack", "Pack a directory by clone", "ckpt pack build -f build.tar"),
    example("ckpt-unpack", "Unpack an archive into a folder", "ckpt unpack build.tar -C copy"),
    example("ckpt-align", "Lay an archive of another tool on blocks", "ckpt align layer.tar aligned.tar"),
    example("ckpt-mem", "Show what memory an archive holds", "ckpt mem web.tar"),
    example("ckpt-ls", "List what is in an archive", "ckpt ls web.tar"),
    example("ckpt-verify", "Look for damage", "ckpt verify web.tar"),
    example("ckpt-manual", "Put the manual where man(1) finds it", "ckpt manual /usr/local/share/man/man1"),
];

/// Those of one page.
pub(super) fn examples_of(page: &str) -> Vec<&'static Example> {
    EXAMPLES.iter().filter(|example| example.page == page).collect()
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;
    use crate::command_line::CommandLine;

    #[test]
    fn each_example_is_a_command_line_of_its_page() {
        for example in EXAMPLES {
            for part in example.line.split(" | ") {
                let words = part.strip_prefix("ssh other ").unwrap_or(part).split(' ');
                if let Err(error) = CommandLine::try_parse_from(words) {
                    panic!("{}: {error}", example.line);
                }
            }
            let begin = example.page.replace('-', " ");
            assert!(example.line.starts_with(&begin), "{} is not of {}", example.line, example.page);
        }
    }

    #[test]
    fn each_page_has_an_example() {
        let mut command = CommandLine::command().disable_help_subcommand(true);
        command.build();
        for command in super::super::with_subcommands(&command) {
            let page = super::super::name_of(command);
            assert!(!examples_of(&page).is_empty(), "{page} has none");
        }
    }
}
