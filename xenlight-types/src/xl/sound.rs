//! Sound cards: a list of cards, each of which is a list of texts: `[["card,short-name=c", "pcm", "stream,unique-id=0,type=p"]]`.

use super::device::{Device, VSND, VSND_PCM, VSND_STREAM};
use super::problem::{Position, Wrong};
use super::source;
use super::syntax::{Value, quoted};
use serde_json::{Map, Value as Json, json};

/// A card, as libxl's JSON.
pub(crate) fn read(card: &Value) -> Result<Json, (Position, Wrong)> {
    let mut vsnd = Map::new();
    let mut pcms: Vec<Map<String, Json>> = Vec::new();
    let mut streams: Vec<Vec<Json>> = Vec::new();
    for item in source::list(card)? {
        let item = source::text(item)?;
        let wrong = |wrong: Wrong| (item.place(&wrong), wrong);
        let text = item.text.trim_start_matches([',', ' ']);
        let (what, parts) = text.split_once(',').unwrap_or((text, ""));
        let read = |device: &Device| match device.read(parts, &mut Vec::new()).map_err(wrong)? {
            Json::Object(object) => Ok(object),
            _ => Ok(Map::new()),
        };
        match what.to_ascii_lowercase().as_str() {
            "card" => merge(&mut vsnd, read(&VSND)?),
            "pcm" => {
                pcms.push(read(&VSND_PCM)?);
                streams.push(Vec::new());
            }
            "stream" => {
                if pcms.is_empty() {
                    pcms.push(Map::new());
                    streams.push(Vec::new());
                }
                let stream = Json::Object(read(&VSND_STREAM)?);
                if let Some(last) = streams.last_mut() {
                    last.push(stream);
                }
            }
            _ => return Err(wrong(Wrong::text(what, "card, pcm or stream, which an item begins with"))),
        }
    }
    for (pcm, streams) in pcms.iter_mut().zip(streams) {
        if !streams.is_empty() {
            pcm.insert("streams".to_owned(), Json::from(streams));
        }
    }
    if !pcms.is_empty() {
        vsnd.insert("pcms".to_owned(), pcms.into_iter().map(Json::Object).collect());
    }
    Ok(Json::Object(vsnd))
}

/// More about the same card.
fn merge(card: &mut Map<String, Json>, more: Map<String, Json>) {
    for (key, json) in more {
        match (card.get_mut(&key), json) {
            (Some(Json::Object(before)), Json::Object(more)) => before.extend(more),
            (_, json) => {
                card.insert(key, json);
            }
        }
    }
}

/// The list for a card. What it says is taken out of `vsnd`.
pub(crate) fn write(vsnd: &mut Map<String, Json>) -> String {
    let mut items = vec![item("card", &VSND, vsnd)];
    let mut left = Vec::new();
    let list = |json: Option<Json>| match json {
        Some(Json::Array(list)) => list,
        _ => Vec::new(),
    };
    for pcm in list(vsnd.remove("pcms")) {
        let Json::Object(mut pcm) = pcm else { continue };
        let streams = list(pcm.remove("streams"));
        items.push(item("pcm", &VSND_PCM, &mut pcm));
        let mut left_streams = Vec::new();
        for stream in streams {
            let Json::Object(mut stream) = stream else { continue };
            items.push(item("stream", &VSND_STREAM, &mut stream));
            left_streams.push(Json::Object(stream));
        }
        pcm.insert("streams".to_owned(), Json::from(left_streams));
        left.push(Json::Object(pcm));
    }
    vsnd.insert("pcms".to_owned(), json!(left));
    format!("[{}]", items.iter().map(|item| quoted(item)).collect::<Vec<_>>().join(", "))
}

fn item(what: &str, device: &Device, object: &mut Map<String, Json>) -> String {
    match device.write(object) {
        parts if parts.is_empty() => what.to_owned(),
        parts => format!("{what},{parts}"),
    }
}
