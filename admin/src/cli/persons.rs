//! `postern-admin person` and `postern-admin role`.

use clap::Subcommand;
use postern_admin::registry::RegistryError;
use postern_admin::registry::persons::{NewPerson, PersonAction, PersonChange, PersonView};

use super::output::print_json;
use super::{Context, Failure};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Adds a person, and prints the id
    New {
        /// What people call them; unique
        #[arg(long)]
        name: String,
        /// The id that goes into headers and logs; one is made if there is none
        #[arg(long)]
        id: Option<String>,
        /// A role they have; more than once for several
        #[arg(long = "role")]
        roles: Vec<String>,
    },
    /// Lists persons
    List {
        /// Only those whose id comes after this one
        #[arg(long, default_value = "")]
        after: String,
        /// At most so many
        #[arg(long, default_value_t = 1_000)]
        limit: u32,
    },
    /// Changes the name or the roles
    Set {
        /// The person's id
        id: String,
        /// The new name
        #[arg(long)]
        name: Option<String>,
        /// All roles from now on; more than once for several
        #[arg(long = "role")]
        roles: Option<Vec<String>>,
        /// Takes all roles away
        #[arg(long, conflicts_with = "roles")]
        no_roles: bool,
    },
    /// Refuses all tokens of a person from now on
    Deactivate {
        /// The person's id
        id: String,
    },
    /// Accepts the tokens of a person again
    Activate {
        /// The person's id
        id: String,
    },
    /// Voids all access tokens of a person that were issued so far
    EndSessions {
        /// The person's id
        id: String,
    },
    /// Deletes a person who has no tokens and is in no audience. Final
    Delete {
        /// The person's id
        id: String,
    },
}

#[derive(Subcommand)]
pub(crate) enum RoleCommand {
    /// Adds a role
    New {
        /// Its name
        name: String,
    },
    /// Lists roles
    List,
    /// Takes a role away that no person and no audience has
    Delete {
        /// Its name
        name: String,
    },
}

impl Command {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::New { name, id, roles } => {
                let new = NewPerson { id, name, roles };
                let id = context
                    .change(|change| Box::pin(change.add_person(new)))
                    .await?;
                if context.output.is_json {
                    return print_json(&context.registry.person(&id).await?);
                }
                println!("{id}");
                Ok(())
            }
            Self::List { after, limit } => {
                let persons = context.registry.persons(&after, limit).await?;
                let heads = ["ID", "NAME", "STATE", "ROLES"];
                context.output.list(heads, &persons, |person: &PersonView| {
                    let state = if person.active { "active" } else { "inactive" };
                    [
                        person.id.clone(),
                        person.name.clone(),
                        state.to_owned(),
                        person.roles.join(" "),
                    ]
                })
            }
            Self::Set {
                id,
                name,
                roles,
                no_roles,
            } => {
                let roles = if no_roles { Some(Vec::new()) } else { roles };
                let active = None;
                let asked = PersonChange {
                    name,
                    roles,
                    active,
                };
                set(context, &id, asked).await
            }
            Self::Deactivate { id } => set_active(context, &id, false).await,
            Self::Activate { id } => set_active(context, &id, true).await,
            Self::EndSessions { id } => {
                act(context, &id, PersonAction::EndSessions).await?;
                let words = format!("access tokens of {id} that were issued so far are void");
                context.output.done(&words)
            }
            Self::Delete { id } => {
                act(context, &id, PersonAction::Delete).await?;
                context.output.done(&format!("{id} is deleted"))
            }
        }
    }
}

impl RoleCommand {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::New { name } => {
                let role = name.clone();
                context
                    .change(move |change| Box::pin(async move { change.add_role(&role).await }))
                    .await?;
                context.output.done(&format!("{name} is added"))
            }
            Self::List => {
                let roles = context.registry.roles().await?;
                context.output.list(["ROLE"], &roles, |role| [role.clone()])
            }
            Self::Delete { name } => {
                let role = name.clone();
                context
                    .change(move |change| Box::pin(async move { change.delete_role(&role).await }))
                    .await?;
                context.output.done(&format!("{name} is deleted"))
            }
        }
    }
}

async fn set_active(context: &Context, id: &str, active: bool) -> Result<(), Failure> {
    let asked = PersonChange {
        active: Some(active),
        ..PersonChange::default()
    };
    set(context, id, asked).await
}

async fn set(context: &Context, id: &str, asked: PersonChange) -> Result<(), Failure> {
    let person = id.to_owned();
    context
        .change(move |change| Box::pin(async move { change.change_person(&person, asked).await }))
        .await?;
    context.output.done(&format!("{id} is changed"))
}

async fn act(context: &Context, id: &str, action: PersonAction) -> Result<(), RegistryError> {
    let id = id.to_owned();
    context
        .change(move |change| Box::pin(async move { change.act_on_person(&id, action).await }))
        .await
}
