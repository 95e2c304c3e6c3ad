//! XXH64: what Envoy hashes texts with.
//!
//! Owns: the function. Does not own: what is hashed and why. It is no secret: whoever chooses a text chooses its hash.
//! Follows the specification of xxHash (<https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md>).

const PRIME_1: u64 = 0x9E37_79B1_85EB_CA87;
const PRIME_2: u64 = 0xC2B2_AE3D_27D4_EB4F;
const PRIME_3: u64 = 0x1656_67B1_9E37_79F9;
const PRIME_4: u64 = 0x85EB_CA77_C2B2_AE63;
const PRIME_5: u64 = 0x27D4_EB2F_1656_67C5;

fn round(accumulator: u64, lane: u64) -> u64 {
    accumulator.wrapping_add(lane.wrapping_mul(PRIME_2)).rotate_left(31).wrapping_mul(PRIME_1)
}

fn merge(accumulator: u64, lane: u64) -> u64 {
    (accumulator ^ round(0, lane)).wrapping_mul(PRIME_1).wrapping_add(PRIME_4)
}

/// The hash of `text`.
#[must_use]
pub fn xx_hash_64(text: &[u8], seed: u64) -> u64 {
    let stripes = text.chunks_exact(32);
    let mut rest = stripes.remainder();
    let mut hash = if text.len() < 32 {
        seed.wrapping_add(PRIME_5)
    } else {
        let mut lanes = [
            seed.wrapping_add(PRIME_1).wrapping_add(PRIME_2),
            seed.wrapping_add(PRIME_2),
            seed,
            seed.wrapping_sub(PRIME_1),
        ];
        for stripe in stripes {
            for (lane, word) in lanes.iter_mut().zip(stripe.chunks_exact(8)) {
                *lane = round(*lane, word.try_into().map_or(0, u64::from_le_bytes));
            }
        }
        let turned = lanes.iter().zip([1, 7, 12, 18]).map(|(lane, by)| lane.rotate_left(by));
        lanes.iter().fold(turned.fold(0, u64::wrapping_add), |hash, &lane| merge(hash, lane))
    };
    hash = hash.wrapping_add(u64::try_from(text.len()).unwrap_or(u64::MAX));
    while let Some((word, after)) = rest.split_first_chunk::<8>() {
        hash ^= round(0, u64::from_le_bytes(*word));
        hash = hash.rotate_left(27).wrapping_mul(PRIME_1).wrapping_add(PRIME_4);
        rest = after;
    }
    if let Some((word, after)) = rest.split_first_chunk::<4>() {
        hash ^= u64::from(u32::from_le_bytes(*word)).wrapping_mul(PRIME_1);
        hash = hash.rotate_left(23).wrapping_mul(PRIME_2).wrapping_add(PRIME_3);
        rest = after;
    }
    for &byte in rest {
        hash ^= u64::from(byte).wrapping_mul(PRIME_5);
        hash = hash.rotate_left(11).wrapping_mul(PRIME_1);
    }
    hash = (hash ^ (hash >> 33)).wrapping_mul(PRIME_2);
    hash = (hash ^ (hash >> 29)).wrapping_mul(PRIME_3);
    hash ^ (hash >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From the test vectors of the reference implementation.
    #[test]
    fn known_values() {
        assert_eq!(xx_hash_64(b"", 0), 0xEF46_DB37_51D8_E999);
        assert_eq!(xx_hash_64(b"a", 0), 0xD24E_C4F1_A98C_6E5B);
        assert_eq!(xx_hash_64(b"abc", 0), 0x44BC_2CF5_AD77_0999);
        assert_eq!(xx_hash_64(b"Nobody inspects the spammish repetition", 0), 0xFBCE_A83C_8A37_8BF1);
    }
}
