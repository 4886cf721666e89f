//! As whom and how a step reaches its host: keywords and variables about login and become.

use std::sync::Arc;

use crate::connection::{Become, BecomeMethod};
use crate::playbook::Context;
use crate::secrets::{Masker, Secret};
use crate::template::{Templater, Variables};
use crate::yaml::{Problem, flag_of};

use super::open::nothing_around;
use super::scope::{Scope, text_of};

/// What the command line says of becoming another user; keywords and variables win over it.
#[derive(Debug, Clone, Default)]
pub struct BecomeDefaults {
    /// `--become`.
    pub wanted: bool,
    /// `--become-user`.
    pub user: Option<String>,
    /// `--become-method`.
    pub method: Option<String>,
    /// The password that was typed.
    pub password: Option<Secret>,
}

/// How a step's session is opened, beside the host's variables.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Login {
    /// `remote_user`.
    pub(super) remote_user: Option<String>,
    /// `port`.
    pub(super) port: Option<u16>,
    /// `connection`.
    pub(super) connection: Option<String>,
}

impl Login {
    /// Reads a task's keywords.
    pub(super) fn of(scope: &Scope, context: &Context) -> Result<Self, Problem> {
        let port = scope.count(context.nearest(|k| k.port.as_ref()))?;
        Ok(Self {
            remote_user: scope.keyword(context, |k| k.remote_user.as_ref())?,
            port: port.and_then(|port| u16::try_from(port).ok()),
            connection: scope.keyword(context, |k| k.connection.as_ref())?,
        })
    }
}

/// Returns a variable's value as text, if there is one.
fn variable(scope: &Scope, names: &[&str]) -> Result<Option<String>, Problem> {
    for name in names {
        if scope.variables().lookup(name).is_some() {
            return scope.expression(name).map(|value| Some(text_of(value)));
        }
    }
    Ok(None)
}

/// Finds out as whom a command runs that stands in no playbook.
pub fn become_for(
    variables: &Arc<dyn Variables>,
    templater: &Templater,
    defaults: &BecomeDefaults,
    masker: &Masker,
) -> Result<Option<Become>, Problem> {
    let scope = Scope::of(variables, templater);
    user(&scope, &scope, &nothing_around(), defaults, masker)
}

/// Finds out as whom a task runs: variables win over keywords, keywords over the command line. The variables are those of
/// the host that it runs on, which `delegate_to` may have made another than the one that it is done for.
pub(super) fn user(
    scope: &Scope,
    there: &Scope,
    context: &Context,
    defaults: &BecomeDefaults,
    masker: &Masker,
) -> Result<Option<Become>, Problem> {
    let wanted = match variable(there, &["ansible_become"])? {
        Some(text) => flag_of(&text.into()).map_err(|message| {
            Problem::nowhere(format!("the variable `ansible_become`: {message}"))
        })?,
        None => scope.flag(context.nearest(|k| k.r#become.as_ref()), defaults.wanted)?,
    };
    if !wanted {
        return Ok(None);
    }
    let user = match variable(there, &["ansible_become_user"])? {
        Some(user) => Some(user),
        None => scope.keyword(context, |k| k.become_user.as_ref())?,
    };
    let method = match variable(there, &["ansible_become_method"])? {
        Some(method) => Some(method),
        None => scope.keyword(context, |k| k.become_method.as_ref())?,
    };
    let method = method.or_else(|| defaults.method.clone());
    let method = match method.as_deref() {
        None | Some("sudo") => BecomeMethod::Sudo,
        Some("su") => BecomeMethod::Su,
        Some("doas") => BecomeMethod::Doas,
        Some(other) => {
            let at = context.nearest(|k| k.become_method.as_ref());
            let message = format!("unknown become method `{other}`");
            let problem = at.map_or_else(
                || Problem::nowhere(&message),
                |node| Problem::at(&node.loc, &message),
            );
            return Err(problem.hint("known are sudo, su and doas"));
        }
    };
    let password = variable(there, &["ansible_become_password", "ansible_become_pass"])?
        .map(Secret::new)
        .or_else(|| defaults.password.clone());
    if let Some(password) = &password {
        masker.add(password);
    }
    let exe = match variable(there, &["ansible_become_exe"])? {
        Some(exe) => Some(exe),
        None => scope.keyword(context, |k| k.become_exe.as_ref())?,
    };
    let flags = match variable(there, &["ansible_become_flags"])? {
        Some(flags) => Some(flags),
        None => scope.keyword(context, |k| k.become_flags.as_ref())?,
    };
    let flags = flags.unwrap_or_default();
    Ok(Some(Become {
        method,
        user: user
            .or_else(|| defaults.user.clone())
            .unwrap_or_else(|| "root".to_owned()),
        password,
        exe,
        flags: flags.split_whitespace().map(str::to_owned).collect(),
    }))
}
