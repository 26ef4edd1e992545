//! One page with everything in it.

use super::Report;

/// The page's parts, put together here.
const HTML: &str = include_str!("page.html");
const CSS: &str = include_str!("page.css");
const JS: &str = include_str!("page.js");

/// One HTML page that needs nothing beside itself: the matrix of cases and adapters, and each case's steps over time.
pub fn page(report: &Report) -> String {
    let data = serde_json::to_string(report).expect("a report is plain data");
    // Whatever a text says, it cannot end the element that holds the data.
    let data = data.replace('<', "\\u003c");
    // The data come last: nothing is replaced inside them.
    HTML.replace("/* page.css */", CSS).replace("/* page.js */", JS).replace("{/* data */}", &data)
}
