//! What a template consists of.

/// One statement of a template.
#[derive(Debug)]
pub(super) enum Node {
    Text(String),
    Reference(Reference),
    If { branches: Vec<(Expr, Vec<Node>)>, otherwise: Vec<Node> },
    Foreach { variable: String, source: Expr, body: Vec<Node> },
    Set { target: Reference, value: Expr },
    Define { name: String, body: Vec<Node> },
    Stop,
    Break,
}

/// `$name.step.step`.
#[derive(Debug)]
pub(super) struct Reference {
    pub root: String,
    pub steps: Vec<Step>,
    /// Half of the backslashes before it, which are written before the value.
    pub escapes: usize,
    /// Whether an odd number of backslashes makes it text: the source, written instead of the value.
    pub escaped: Option<String>,
}

/// What follows a reference's name.
#[derive(Debug)]
pub(super) enum Step {
    Property(String),
    Method(String, Vec<Expr>),
    Index(Expr),
}

/// Something with a value.
#[derive(Debug)]
pub(super) enum Expr {
    /// A bare word among a method's arguments, such as `null`.
    Null,
    Bool(bool),
    Integer(i128),
    Double(f64),
    Text(String),
    /// A text in double quotes with references or directives in it.
    Interpolated(Vec<Node>),
    Range(Box<Expr>, Box<Expr>),
    List(Vec<Expr>),
    Map(Vec<(Expr, Expr)>),
    Reference(Reference),
    Not(Box<Expr>),
    /// Operands of operators that bind equally, from left to right.
    Chain(Box<Expr>, Vec<(Operator, Expr)>),
}

/// What stands between two expressions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Or,
    And,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
}
