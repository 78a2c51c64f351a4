//! Arguments of `attach` and `detach`.

use clap::Args;

/// Arguments of `attach`.
#[derive(Debug, Args)]
pub struct AttachArgs {
    /// The name, which commands then take in place of a lab's; without it what is attached is listed,
    /// and what the account has.
    pub name: Option<String>,
    /// A REST API, by id or name; the functions behind it come along.
    #[arg(long = "api", value_name = "NAME|ID", num_args = 1.., requires = "name")]
    pub apis: Vec<String>,
    /// A function, by name.
    #[arg(long = "function", value_name = "NAME", num_args = 1.., requires = "name")]
    pub functions: Vec<String>,
    /// The REST APIs and functions that carry this tag, whenever it is looked.
    #[arg(long = "tag", value_name = "KEY=VALUE", num_args = 1.., requires = "name")]
    pub tags: Vec<String>,
    /// The alias that releases move; without it prod, else the only one.
    #[arg(long, value_name = "NAME", requires = "name")]
    pub alias: Option<String>,
}

/// Arguments of `detach`.
#[derive(Debug, Args)]
pub struct DetachArgs {
    /// What was attached by this name.
    pub name: String,
}
