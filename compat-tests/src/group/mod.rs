//! Group stories: members of many clients, driven by one script each.
//!
//! What lives here: the table of clients ([`client`]), one running group of member programs ([`Group`]), the books about what they
//! said ([`ledger`]), the records they read ([`load`]), and the stories themselves ([`stories`]). A story is written once; which client
//! with which protocol and assignor plays it is a row of the table.
//!
//! A member is a small program in its client's language. It gets `key=value` arguments, takes commands line by line on standard input
//! and says what happens line by line on standard output; `DESIGN.md` lists both. All members of a group write into one pipe, each line
//! with one `write`, so the order of lines is the order in which things happened, across processes: who says `revoked` before it lets
//! go is heard before who says `assigned` after it took over.

pub mod client;
pub mod history;
pub mod ledger;
pub mod load;
pub(crate) mod member;
mod running;
pub mod stories;

pub use client::{Client, Protocol};
pub use running::{Group, Translate, committed};
