//! How rare a text is in mail: the bits that a model of octet pairs gives it. Decides which literals gate a pattern.

/// Classes of octets: letters, digits, some marks, other marks (`!`), all else (`%`).
const CLASSES: &[u8; 42] = b"abcdefghijklmnopqrstuvwxyz0 .,:/-<>=\"_@\n!%";
/// Of each pair of classes the quarter bits of the second after the first, as characters from `0`; counted on mail of many kinds.
const PAIRS: [&[u8; 42]; 42] = [
    b"CECBJICLAPJ?A<MGN@@>FHILGLAALRRROnVS\\PYWQR",
    b"BGDG=GFGAFH@DE@JJCDHBHHI@J;JO[QOLnNO`W]ZNW",
    b"?KFH>JK>ANCCHK:LMBJAFMMNIL?LIYOOPndNdX_XLS",
    b"AJFE;IFH?MIHFKAMNFFFGKJIHL?;EKENIbNLES^UJU",
    b"DIBAFJKOEQNDE>LHN<?CKJKDLOD;HLGRE]RLXOXQKZ",
    b"CHGHABKJ?JJHJJ<II<GAEJIKGK=@OUMOIi`LZY_YMM",
    b"AJFJ;HJBAJKEGCCIJCFHBCJJJJ@=KPILLeNMSXHMKT",
    b";HKJ9LLK?KLHHH@ILDI>FJLLIKB?MTLQQjaIfMUZOS",
    b"DI@ACGCMLNK?C:@GOE>>MDNLNFEIRRhTVncTdbZ\\PU",
    b"@EEE?FGFFFEDADBCEFFE?FFFDD=SUngLZdcYnY_bHU",
    b"DGGH>HGFBHGEHEEHHGBEDHHHEA=@?PQHHfTUSUNPGQ",
    b"?FID=JKG<LJ@JJ>JJLCBEJEKBIB@EPLLMkZVYWTRKS",
    b";ELH=JIK?IMGGJABLJADHJJKIKB=KSIFKkIL^KPKIR",
    b"AMC?>H=KDMHHKHAMMLA<GJOPILE>FKKNHdXJUWRRIO",
    b"LJEELCINJOFF=;DEP<AB>HFNNNF?MPJNOl`V][\\[P`",
    b">IJH?GJBCLLAHH?EL<CDGKIFGIAAJUCNNdSRURXWJS",
    b"DEEFFFEFFFEEDDFFDFDB<EECEE<QOneJUncGWRa^I\\",
    b"?MFE;LDM@OGGGH=IOHBBIGMOGMC=JOLONeMLUYVUNO",
    b"BMEL>LME@NLIFLABOM@=BNMPLKD;EIHLEbXNZKSOKR",
    b"ALJH=MO<>OPDIL?CPCFBGOKNEJE=GMJLFgPNUXSMHO",
    b"DBEEBIDLFLK@B>KDL=>=KKKGJIACONkQVnZ\\jc^[KT",
    b"AEHG8HHG>GHGHHBGIGDGDHHICG>LQaVOWnOPf]]\\NR",
    b"@GHH?DIA;IIFHEAHIDEFHFAGHH=DFUWMPnhS\\Z\\UMS",
    b"EG>GBGHGDFFGEEGBGDHCHFGHHF>FETQM<iaTM^^ZD^",
    b"DHGHFIJIGHJBDF=EJEEFJIEHGG>9GIHNKhTQ\\RMSI\\",
    b"?FEDAGAEDGFDEEDGHGEDCF>BEB=KTYcMPn_XiXP[M[",
    b"GGGEHGLKKKJJIJLHKKLIKJLLKJ4CAPEKJa\\XPOVJC_",
    b"?CBBCBHEAKMFCECCNF?>HHBVGS@SWbXZMHLVRZgOBK",
    b"HJ:IHIINGOQLG@?A\\LDIMTPRTT8=FXhbh_]cSknAQ\\",
    b"`[\\m_m`LV_mm`ZmmfmPVmm`mm`D1STmm\\Vd`PUdERf",
    b"KOIKIK^[OO[QKNW[dQKP]YYOae66^nB=\\Wf\\g^nKKn",
    b"BFBDFEIHCKKBDHFEKFC@EJBIKJ;NXnn;_nQ\\_`hRGZ",
    b"AECF>GMJBTUI=ICEXFABIJKVWU<Ecnng:cZVnWnTUn",
    b"ABHDJBIBCCONDCMBTKD;STLTVJD]Xjj8]]WP^TVjS`",
    b"PTOTROWRN^[SRUUQkTRQX[UeW^Q6WHkkW6FSkYb<>R",
    b"GKHNGHNHOQSNICQDUFH>KSPSTT8>dn^Z[nR<<SXEIn",
    b"GKDJSKTCKVRKDRQCkILBLUEbXb;7MP\\MUZ;LKP]FFY",
    b"DLKKFRCNI\\WMJMPQXFCPTUFYZX?JaZncR[nc]3nMI[",
    b"FGEFCECDKEP:BDO8YH?FLOIBIWHgaggggaagggggOW",
    b"DICDI@K<FPOHBJJES?EBMNG:JSK@Xn]NINLUNQnOGI",
    b"JLHHHHNKHMOIGJLFJICFHGKPPO98NRORWV`ZIYaB<U",
    b"LPINJQNQTd\\MNGCSXEGGRO^ddnM=UTnXXjn`b^^LQ2",
];

/// Bits of information in a text in lower case, on average one in 2^bits places of mail holds it.
pub fn bits(text: &[u8]) -> f32 {
    let mut before = class(b'\n');
    let mut quarters = 0u32;
    let mut within = 0.0;
    for (number, octet) in text.iter().enumerate() {
        let class = class(*octet);
        // What came before the text is not known: take the rarity after a blank for the first octet.
        let before_it = if number == 0 { self::class(b' ') } else { before };
        quarters += PAIRS.get(before_it).and_then(|row| row.get(class)).map_or(20, |quarter| u32::from(quarter.saturating_sub(b'0')));
        within += match CLASSES.get(class) {
            Some(b'0') => 3.3,
            Some(b'!') => 3.5,
            Some(b'%') => 5.0,
            _ => 0.0,
        };
        before = class;
    }
    quarters as f32 / 4.0 + within
}

fn class(octet: u8) -> usize {
    let octet = octet.to_ascii_lowercase();
    let sought = match octet {
        b'0'..=b'9' => b'0',
        b'!' | b'%' => b'!',
        _ if octet.is_ascii_control() && octet != b'\n' || !octet.is_ascii() => b'%',
        other => other,
    };
    let found = CLASSES.iter().position(|class| *class == sought);
    found.or_else(|| CLASSES.iter().position(|class| *class == b'!')).unwrap_or(0)
}
/// Of each octet the quarter bits in text, as characters from `0`.
const OCTETS: &[u8; 256] = b"\
    vvvvvvvvvMGvvvvvvvvvvvvvvvvvvvvv;THUaWWUYYUTNIKKJLMOQPQSRQKLKKJ[\
    [PTQRQSTUQXXSRRTTZRQPTTSXVU]h]mNsBIFE@IIGBVNDGCBGUCCAHMLMJRXhXlv\
    ]kckqppsvqps`liptohihnknsjhvmotbgcj`cht`l_drdeovivvhndfnmlilboll\
    vubTvrqvvvvvvrvvflpvvtvvvvvvvvvvsu[ptvvqsquvvvvlbvvvvvvvvvvvvvvv\
";

/// The share of places in text that hold an octet of the set.
pub fn share(set: &super::octets::Octets) -> f32 {
    let quarters = |octet: u8| f32::from(OCTETS.get(usize::from(octet)).map_or(70, |quarter| quarter.saturating_sub(b'0')));
    set.iter().map(|octet| (-quarters(octet) / 4.0).exp2()).sum::<f32>().min(1.0)
}
