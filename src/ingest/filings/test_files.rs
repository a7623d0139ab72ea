//! For the tests of importers: small files in each format, and what reads them.

use super::open::{FilingFormat, Filings};
use crate::model::{filing::Filing, market::Market, money::parse_decimal};

/// Announcements of the UK, the last seven rows bad.
pub const UK: &str = r#"{"generated_at":"2026-07-02T11:06:29Z","transactions":[
{"fingerprint":"f1","date":"2026-07-01","ticker":"AAA","company":"Alpha plc","director":"A Nna Example","role":"Director","role_normalized":"NED","type":"SELL","shares":2500,"price":19.45,"value":48625.0,"url":"https://news.example/1","rns_id":"100","announced_at":"2026-07-01T15:10:07Z"},
{"fingerprint":"f2","date":"2026-07-01","ticker":"AAA","company":"","director":"Ben Example (PCA to Anna Example, Director)","role":"","role_normalized":"PCA","type":"BUY","shares":10,"price":1e2,"url":"","rns_id":"100","announced_at":"2026-07-01"},
{"fingerprint":"f3","date":"2026-06-30","ticker":"AAA","company":"a) Name","director":"Anna Example","role":"Chief Executive Officer","type":"SIP","shares":3,"price":0,"rns_id":"100","announced_at":"2026-07-01T00:00:00Z"},
{"fingerprint":"f4","date":"2026-06-30","ticker":"BBB","company":"","director":"Carl Example","role":"Group Finance Director","type":"GRANT","shares":5,"price":5,"rns_id":"","announced_at":""},
{"fingerprint":"f5","date":"2026-06-30","ticker":"AAA","director":"Anna Example","role":null,"type":"SCRIP","shares":null,"price":null,"value":77.5,"rns_id":"101","announced_at":"2026-06-30"},
{"fingerprint":"f1","date":"2026-07-01","ticker":"AAA","director":"Anna Example","type":"SELL","shares":1,"price":1},
{"fingerprint":"f6","date":"2026-07-01","ticker":"AAA","director":"Position / Status","type":"SELL","shares":1,"price":1},
{"fingerprint":"f7","date":"2026-07-01","ticker":"AAA","director":"Anna Example","type":"SELL","shares":-1,"price":1},
{"fingerprint":"f8","date":"01/07/2026","ticker":"AAA","director":"Anna Example","type":"SELL","shares":1,"price":1},
{"fingerprint":"f9","date":"0202-07-01","ticker":"AAA","director":"Anna Example","type":"SELL","shares":1,"price":1},
{"fingerprint":"fa","ticker":"AAA","director":"Anna Example","type":"SELL","shares":1,"price":1},
{"fingerprint":"fb","date":"2026-07-01","ticker":"AAA","director":"Anna Example","type":"SELL"}]}"#;

/// The Swedish register's columns.
pub const SE_HEADER: &str = "Publicerings datum;Utgivare;LEI-kod;Anmälningsskyldig;Person i ledande ställning;Befattning;Närstående;\
    Korrigering;Beskrivning av korrigering;Är förstagångsrapportering;Är kopplad till aktieprogram;Karaktär;Instrument;ISIN;\
    Transaktions datum;Volym;Volymsenhet;Pris;Valuta;Handelsplats;Status;";

/// Rows of the Swedish register.
pub const SE: &str = "\
2018-03-10 21:49:30;Alfa AB;EXAMPLE0000000000001;EVA EXEMPEL;Eva Exempel;Ekonomi/finanschef;Ja;;;Ja;;Förvärv;Alfa AB ser. B; se0123456789 ;2018-03-08 00:00:00;600;Antal;41,250125;SEK;NASDAQ STOCKHOLM AB;Aktuell;\r
2018-07-06 18:10:59;Alfa AB;;Exempel Invest AB;Eva Exempel;VD;Ja;Ja;\"Fel;\r
pris\";;;Avyttring;Alfa TO1;;2018-07-05 00:00:00;100;Antal;6,8;NOK;OSLO BORS ASA;Reviderad;\r
2018-03-10 10:54:01;Beta AB;;Bo Exempel;Bo Exempel;Styrelseledamot/suppleant;;;;Ja;;Gåva lämnad;Aktie;SE0123456788;2018-03-05 00:00:00;13;Antal;0;SEK;Utanför handelsplats;Makulerad;\r
2018-03-10 10:54:01;Beta AB;;Bo Exempel;Bo Exempel;Styrelseledamot/suppleant;;;;Ja;;Gåva lämnad;Aktie;SE0123456788;2018-03-05 00:00:00;13;Antal;0;SEK;Utanför handelsplats;Aktuell;\r
2018-03-10 10:54:01;Beta AB;;Bo Exempel;Bo Exempel;VD;;;;Ja;;Teckning;Aktie;;2018-03-05 00:00:00;1702572;Belopp;3064630;SEK;X;Aktuell\r
2018-03-10 10:54:01;Beta AB;;Bo Exempel;Bo Exempel;VD;;;;Ja;;Trolleri;Aktie;;2018-03-05 00:00:00;1;Antal;1;SEK;X;Aktuell;\r
";

/// The Belgian file's columns.
pub const BE_HEADER: &str = "URL,Datum openbaarmaking,Naam meldplichtige,Hoedanigheid meldplichtige,\
    Leidinggevende(n) waarmee de meldplichtige nauw verbonden is,Emittent,Soort financieel instrument,ISIN-code financieel instrument,\
    Soort transactie,Specificatie van het soort transactie,Plaats van uitvoering transactie,Date,Munt,Aantal financiële instrumenten,\
    Prijs,Totaal bedrag,Toelichting van de meldplichtige";

/// A row of the Belgian file: what the tests vary, the rest filled in.
pub fn be(node: &str, kind: &str, shares: &str, price: &str, total: &str) -> String {
    let blank = "              ";
    format!(
        "https://www.fsma.be/nl/node/{node},{blank}04/01/2022,{blank}Voorbeeld Jan,{blank}Kaderlid met leidinggevende functie,VOID,\
         {blank}ALFA,{kind},{blank}Andere,{blank}11/11/2020,{blank}EUR,{shares},\"{blank}{price}\",\"{blank}{total}\",{blank}\n"
    )
}

/// An instrument and its ISIN.
pub const SHARE: &str = "Aandeel,              BE0123456789";

/// The filings of some bytes that arrive in chunks, and the refusals.
pub fn read_bytes(format: FilingFormat, bytes: &[u8], chunk: usize) -> (Vec<Filing>, Vec<String>) {
    let reader = std::io::BufReader::with_capacity(chunk, bytes);
    let source = Filings::new(format, reader, &Market::built_in()).unwrap();
    let (mut filings, mut refused) = (Vec::new(), Vec::new());
    for item in source {
        match item {
            Ok(filing) => filings.push(filing),
            Err(rejected) => refused.push(format!("{}: {}", rejected.line, rejected.reason)),
        }
    }
    (filings, refused)
}

/// The filings of a text, and the refusals.
pub fn read(format: FilingFormat, text: &str) -> (Vec<Filing>, Vec<String>) {
    read_bytes(format, text.as_bytes(), 16)
}

/// A number.
pub fn decimal(text: &str) -> Option<rust_decimal::Decimal> {
    Some(parse_decimal(text).unwrap())
}

/// The code of a row.
pub fn code(filing: &Filing, row: usize) -> &str {
    filing.rows[row].code.as_ref().map_or("", |code| &*code.0)
}
