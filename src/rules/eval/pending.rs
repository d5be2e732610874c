//! Functions that are not written yet: they are known to `check` and miss.

use super::{Accepts, Answered, Context, Needs, Row};

fn miss(_: &Context<'_, '_>, _: &[String]) -> Answered {
    Answered::Miss
}

const fn to_come(name: &'static str, plugin: &'static str, accepts: Accepts) -> Row {
    Row { name, plugin, accepts, needs: Needs::ToCome, run: miss }
}

pub static ROWS: &[Row] = &[
    to_come("check_olemacro", "OLEVBMacro", Accepts::Body),
    to_come("check_oleobject", "OLEVBMacro", Accepts::Body),
    to_come("check_olertfobject", "OLEVBMacro", Accepts::Body),
    to_come("check_olemacro_csv", "OLEVBMacro", Accepts::Body),
    to_come("check_olemacro_malice", "OLEVBMacro", Accepts::Body),
    to_come("check_olemacro_renamed", "OLEVBMacro", Accepts::Body),
    to_come("check_olemacro_encrypted", "OLEVBMacro", Accepts::Body),
    to_come("check_olemacro_zip_password", "OLEVBMacro", Accepts::Body),
    to_come("check_olemacro_download_exe", "OLEVBMacro", Accepts::Body),
    to_come("check_olemacro_redirect_uri", "OLEVBMacro", Accepts::Body),
    to_come("check_olemacro_mhtml_uri", "OLEVBMacro", Accepts::Body),
];
