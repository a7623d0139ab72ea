//! Facts of the chain as the engines take them: swaps, transfers, tokens, wallets, the price of SOL.

use std::sync::Arc;

use rust_decimal::Decimal;
use sha2::{Digest, Sha256};

use super::{
    money::{Exact, MicroUsd},
    time::Time,
};

/// An address or mint, opaque and case-sensitive; shared, as one wallet appears in many facts.
pub type Address = Arc<str>;

/// Token quantities stay below 2^125 base units, so that pro-rata arithmetic fits in 128 bits.
pub const MAX_QUANTITY: u128 = 1 << 125;

/// Which way a swap went, seen from the wallet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// The wallet received tokens.
    Buy,
    /// The wallet gave tokens.
    Sell,
}

/// Which way a transfer went, seen from the wallet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Tokens came in.
    In,
    /// Tokens went out.
    Out,
}

/// What was paid or received for the tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    /// In dollars.
    Usd(MicroUsd),
    /// In SOL; turned into dollars before the fact is stored.
    Sol(Decimal),
}

/// A wallet's swap of a token against money.
#[derive(Clone, Debug, PartialEq)]
pub struct Swap {
    /// The transaction.
    pub signature: Arc<str>,
    /// The swap's place in its transaction.
    pub index: u32,
    /// Slot of the block.
    pub slot: Option<u64>,
    /// Place of the transaction in its slot.
    pub tx_index: Option<u64>,
    /// Event time: the block's.
    pub time: Time,
    /// Who swapped.
    pub wallet: Address,
    /// Which token.
    pub mint: Address,
    /// Bought or sold.
    pub side: Side,
    /// Tokens in base units, > 0.
    pub token_amount: u128,
    /// Money paid or received, before fees.
    pub amount: Amount,
    /// Fees paid on top.
    pub fee: MicroUsd,
    /// Where.
    pub dex: Option<Arc<str>>,
}

/// Tokens moved without a trade.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// The transaction.
    pub signature: Arc<str>,
    /// Its place in the transaction.
    pub index: u32,
    /// Slot of the block.
    pub slot: Option<u64>,
    /// Place of the transaction in its slot.
    pub tx_index: Option<u64>,
    /// Event time.
    pub time: Time,
    /// Whose tokens.
    pub wallet: Address,
    /// Which token.
    pub mint: Address,
    /// In or out.
    pub direction: Direction,
    /// Tokens in base units, > 0.
    pub token_amount: u128,
    /// The other side.
    pub counterparty: Option<Address>,
}

/// What is known of a token at a moment; `None` keeps what an earlier fact said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenInfo {
    /// Ticker.
    pub symbol: Option<Arc<str>>,
    /// Full name.
    pub name: Option<Arc<str>>,
    /// Picture.
    pub image_url: Option<Arc<str>>,
    /// Main market.
    pub dex: Option<Arc<str>>,
    /// When it was minted.
    pub created_at: Option<Time>,
    /// Base units per token, as a power of ten.
    pub decimals: Option<u8>,
    /// Dollars.
    pub market_cap_usd: Option<Exact>,
    /// Dollars.
    pub liquidity_usd: Option<Exact>,
    /// Dollars per whole token.
    pub price_usd: Option<Exact>,
    /// SOL per whole token.
    pub price_sol: Option<Exact>,
    /// No authority can mint more.
    pub mint_renounced: Option<bool>,
    /// No authority can freeze accounts.
    pub freeze_renounced: Option<bool>,
    /// Share of the ten largest holders, percent.
    pub top10_holders_pct: Option<Exact>,
    /// Share of the largest holder, percent.
    pub max_holder_pct: Option<Exact>,
    /// The pool's liquidity is locked or burnt.
    pub lp_locked: Option<bool>,
    /// Still on its bonding curve: there is no LP to lock.
    pub bonding_curve: Option<bool>,
    /// A permanent delegate can move anybody's tokens.
    pub permanent_delegate: Option<bool>,
    /// Who made it.
    pub deployer: Option<Address>,
}

/// Hands the name of each field of [`TokenInfo`] to a macro: the one list of them, which the compiler holds to be whole.
macro_rules! token_fields {
    ($to:ident) => {
        $to!(
            symbol,
            name,
            image_url,
            dex,
            created_at,
            decimals,
            market_cap_usd,
            liquidity_usd,
            price_usd,
            price_sol,
            mint_renounced,
            freeze_renounced,
            top10_holders_pct,
            max_holder_pct,
            lp_locked,
            bonding_curve,
            permanent_delegate,
            deployer,
        )
    };
}
pub(crate) use token_fields;

macro_rules! count { ($($field:ident),* $(,)?) => { [$(stringify!($field)),*].len() } }

impl TokenInfo {
    /// How many fields it has.
    pub const FIELDS: usize = token_fields!(count);

    /// This, with what it leaves open filled from `earlier`.
    #[must_use]
    pub fn or(&self, earlier: &TokenInfo) -> TokenInfo {
        macro_rules! fill { ($($field:ident),* $(,)?) => {
            TokenInfo { $($field: self.$field.clone().or_else(|| earlier.$field.clone())),* }
        } }
        token_fields!(fill)
    }
}

/// A `token` fact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenFact {
    /// Which token.
    pub mint: Address,
    /// From when on it holds.
    pub time: Time,
    /// What it says.
    pub info: TokenInfo,
}

/// What a wallet is, beyond somebody's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Label {
    /// A centralised exchange.
    Exchange,
    /// A router or aggregator.
    Router,
    /// Trades by program; capped at a score of 40.
    Bot,
    /// Makes tokens.
    Deployer,
    /// A liquidity pool.
    Pool,
    /// Burns.
    Burn,
    /// Locks.
    Locker,
}

impl Label {
    /// The words of the wire form.
    pub const WORDS: [(&'static str, Label); 7] = [
        ("exchange", Label::Exchange),
        ("router", Label::Router),
        ("bot", Label::Bot),
        ("deployer", Label::Deployer),
        ("pool", Label::Pool),
        ("burn", Label::Burn),
        ("locker", Label::Locker),
    ];

    /// Reads one of the words.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::WORDS
            .iter()
            .find(|(known, _)| *known == word)
            .map(|(_, label)| *label)
    }

    /// The word.
    #[must_use]
    pub fn word(self) -> &'static str {
        Self::WORDS
            .iter()
            .find(|(_, label)| *label == self)
            .map_or("", |(word, _)| word)
    }
}

/// A `wallet` fact; `None` keeps what an earlier fact said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WalletFact {
    /// Which wallet.
    pub wallet: Address,
    /// From when on it holds.
    pub time: Time,
    /// What it is.
    pub labels: Option<Vec<Label>>,
    /// Who sent it its first SOL.
    pub first_funder: Option<Address>,
}

/// The price of one SOL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SolPrice {
    /// From when on it holds.
    pub time: Time,
    /// Dollars, > 0.
    pub usd: Decimal,
}

/// One fact.
#[derive(Clone, Debug, PartialEq)]
pub enum Fact {
    /// A swap.
    Swap(Swap),
    /// A transfer.
    Transfer(Transfer),
    /// A token's state.
    Token(TokenFact),
    /// A wallet's nature.
    Wallet(WalletFact),
    /// The price of SOL.
    SolPrice(SolPrice),
}

/// By what a fact is known: two facts with one key are one fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FactKey(pub [u8; 16]);

impl Fact {
    /// Event time.
    #[must_use]
    pub fn time(&self) -> Time {
        match self {
            Fact::Swap(swap) => swap.time,
            Fact::Transfer(transfer) => transfer.time,
            Fact::Token(token) => token.time,
            Fact::Wallet(wallet) => wallet.time,
            Fact::SolPrice(price) => price.time,
        }
    }

    /// The mint it speaks of.
    #[must_use]
    pub fn mint(&self) -> Option<&Address> {
        match self {
            Fact::Swap(swap) => Some(&swap.mint),
            Fact::Transfer(transfer) => Some(&transfer.mint),
            Fact::Token(token) => Some(&token.mint),
            Fact::Wallet(_) | Fact::SolPrice(_) => None,
        }
    }

    /// The wallet it speaks of.
    #[must_use]
    pub fn wallet(&self) -> Option<&Address> {
        match self {
            Fact::Swap(swap) => Some(&swap.wallet),
            Fact::Transfer(transfer) => Some(&transfer.wallet),
            Fact::Wallet(wallet) => Some(&wallet.wallet),
            Fact::Token(_) | Fact::SolPrice(_) => None,
        }
    }

    /// The first 128 bits of SHA-256 over what the fact is known by (facts: signature, index, wallet, mint; or subject and time).
    #[must_use]
    pub fn key(&self) -> FactKey {
        let mut digest = Sha256::new();
        let mut field = |bytes: &[u8]| {
            digest.update((bytes.len() as u32).to_le_bytes());
            digest.update(bytes);
        };
        match self {
            Fact::Swap(Swap {
                signature,
                index,
                wallet,
                mint,
                ..
            }) => {
                field(b"swap");
                field(signature.as_bytes());
                field(&index.to_le_bytes());
                field(wallet.as_bytes());
                field(mint.as_bytes());
            }
            Fact::Transfer(Transfer {
                signature,
                index,
                wallet,
                mint,
                ..
            }) => {
                field(b"transfer");
                field(signature.as_bytes());
                field(&index.to_le_bytes());
                field(wallet.as_bytes());
                field(mint.as_bytes());
            }
            Fact::Token(token) => {
                field(b"token");
                field(token.mint.as_bytes());
                field(&token.time.0.to_le_bytes());
            }
            Fact::Wallet(wallet) => {
                field(b"wallet");
                field(wallet.wallet.as_bytes());
                field(&wallet.time.0.to_le_bytes());
            }
            Fact::SolPrice(price) => {
                field(b"sol_price");
                field(&price.time.0.to_le_bytes());
            }
        }
        let whole: [u8; 32] = digest.finalize().into();
        let mut key = [0; 16];
        key.copy_from_slice(&whole[..16]);
        FactKey(key)
    }

    /// Where it belongs among others of one source: by time, then slot, transaction, place, signature.
    /// On chain, time never decreases with the slot, so this is the order of (slot, tx_index).
    #[must_use]
    pub fn chain_order(&self) -> ChainOrder {
        let (slot, tx_index, index, signature) = match self {
            Fact::Swap(s) => (s.slot, s.tx_index, s.index, Some(s.signature.clone())),
            Fact::Transfer(t) => (t.slot, t.tx_index, t.index, Some(t.signature.clone())),
            // what is known at a moment is known before what happens at that moment
            Fact::Token(_) | Fact::Wallet(_) | Fact::SolPrice(_) => (None, None, 0, None),
        };
        ChainOrder {
            time: self.time(),
            slot,
            tx_index,
            signature,
            index,
            key: self.key(),
        }
    }
}

/// The total order of a source's facts; see [`Fact::chain_order`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChainOrder {
    time: Time,
    slot: Option<u64>,
    tx_index: Option<u64>,
    signature: Option<Arc<str>>,
    index: u32,
    key: FactKey,
}
