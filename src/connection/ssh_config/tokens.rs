//! `%h`, `~` and `${NAME}` in values, by what is known of the host and of the person. Pure.

use std::path::PathBuf;

use crate::connection::Surroundings;

/// What stands for the letters.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts<'a> {
    /// The person and the machine.
    pub(super) surroundings: &'a Surroundings,
    /// `%n`: the host as it was asked for.
    pub(super) original: &'a str,
    /// `%h`: the host's name or address.
    pub(super) host: &'a str,
    /// `%p`.
    pub(super) port: u16,
    /// `%r`: the login user.
    pub(super) user: &'a str,
    /// `%k`: the name that its key is known under.
    pub(super) alias: &'a str,
    /// `%j`: the hosts that the way leads through.
    pub(super) jump: &'a str,
}

/// The letters that a path may hold.
pub(super) const IN_PATHS: &str = "dhijkLlnpru";

/// The letters that a jump may hold.
pub(super) const IN_JUMPS: &str = "hnpr";

impl Facts<'_> {
    /// Replaces the letters of a value; the error is a reason.
    pub(super) fn expand(&self, text: &str, letters: &str) -> Result<String, String> {
        let mut expanded = String::new();
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            if c != '%' {
                expanded.push(c);
                continue;
            }
            match chars.next() {
                Some('%') => expanded.push('%'),
                Some(letter) if letters.contains(letter) => {
                    expanded.push_str(&self.letter(letter));
                }
                Some(letter) => return Err(format!("`%{letter}` has no meaning here")),
                None => return Err("it ends in a single `%`".to_owned()),
            }
        }
        Ok(expanded)
    }

    fn letter(&self, letter: char) -> String {
        let about = self.surroundings;
        match letter {
            'd' => {
                let home = about.home.as_ref();
                home.map_or_else(String::new, |home| home.display().to_string())
            }
            'h' => self.host.to_owned(),
            'i' => about.uid.to_string(),
            'j' => self.jump.to_owned(),
            'k' => self.alias.to_owned(),
            'L' => about
                .machine
                .split('.')
                .next()
                .unwrap_or_default()
                .to_owned(),
            'l' => about.machine.clone(),
            'n' => self.original.to_owned(),
            'p' => self.port.to_string(),
            'r' => self.user.to_owned(),
            'u' => about.user.clone(),
            _ => String::new(),
        }
    }

    /// Makes a path of a value: variables of the environment, letters, `~`.
    pub(super) fn path(&self, text: &str) -> Result<PathBuf, String> {
        let text = self.expand(&self.variables(text)?, IN_PATHS)?;
        Ok(self.surroundings.expand(&text))
    }

    fn variables(&self, text: &str) -> Result<String, String> {
        let mut expanded = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            let (name, behind) = after
                .split_once('}')
                .ok_or_else(|| "a `${` is not closed".to_owned())?;
            let value = self.surroundings.environment.get(name);
            expanded.push_str(before);
            expanded
                .push_str(value.ok_or_else(|| format!("`{name}` is not set in the environment"))?);
            rest = behind;
        }
        Ok(expanded + rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_variables_and_the_home_are_replaced() {
        let surroundings = Surroundings {
            home: Some("/home/me".into()),
            user: "me".to_owned(),
            machine: "bastion.example.org".to_owned(),
            uid: 1000,
            environment: [("KEYS".to_owned(), "/keys".to_owned())].into(),
            ..Surroundings::default()
        };
        let facts = Facts {
            surroundings: &surroundings,
            original: "db",
            host: "db.example.org",
            port: 2222,
            user: "ops",
            alias: "db",
            jump: "",
        };
        for (text, expected) in [
            ("~/.ssh/%h_%r", Ok("/home/me/.ssh/db.example.org_ops")),
            (
                "%d/%n-%p-%u-%i-%L-%l-%k%j",
                Ok("/home/me/db-2222-me-1000-bastion-bastion.example.org-db"),
            ),
            ("${KEYS}/100%%", Ok("/keys/100%")),
            ("%C", Err("`%C` has no meaning here")),
            ("${NONE}", Err("`NONE` is not set in the environment")),
            ("${KEYS", Err("a `${` is not closed")),
            ("100%", Err("it ends in a single `%`")),
        ] {
            let found = facts.path(text);
            let found = found.as_ref().map(|path| path.to_str().unwrap());
            assert_eq!(found.map_err(String::as_str), expected, "{text}");
        }
        assert_eq!(facts.expand("%n.x:%p", IN_JUMPS).unwrap(), "db.x:2222");
        assert!(facts.expand("%d", IN_JUMPS).is_err());
    }
}
