//! What the x86 kernels share: loads and stores of whole registers, and transposes of 32-bit words between "a register
//! for each stream" (as the data lies in memory) and "a register for each word" (as the rounds want it).

use std::arch::x86_64::*;

/// Loads sixteen bytes.
#[inline]
#[target_feature(enable = "sse2")]
pub(crate) fn load128(bytes: &[u8; 16]) -> __m128i {
    // SAFETY: the reference is valid for reading the 16 bytes, and this load has no alignment requirement.
    unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) }
}

/// Four words of a table, the first one lowest.
#[inline]
#[target_feature(enable = "sse2")]
pub(crate) fn load_words128(words: &[u32; 4]) -> __m128i {
    // SAFETY: the reference is valid for reading the 16 bytes, and this load has no alignment requirement.
    unsafe { _mm_loadu_si128(words.as_ptr().cast()) }
}

/// The four words of a register, the lowest one first.
#[inline]
#[target_feature(enable = "sse2")]
pub(crate) fn words128(register: __m128i) -> [u32; 4] {
    let mut words = [0; 4];
    // SAFETY: the array is valid for writing 16 bytes, and this store has no alignment requirement.
    unsafe { _mm_storeu_si128(words.as_mut_ptr().cast(), register) };
    words
}

/// Loads thirty-two bytes.
#[inline]
#[target_feature(enable = "avx2")]
pub(crate) fn load256(bytes: &[u8; 32]) -> __m256i {
    // SAFETY: the reference is valid for reading the 32 bytes, and this load has no alignment requirement.
    unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
}

/// The first eight lanes of one word of the state.
#[inline]
#[target_feature(enable = "avx2")]
pub(crate) fn load_row256(row: &[u32; 16]) -> __m256i {
    // SAFETY: the reference is valid for reading 64 bytes, of which this takes 32, at any alignment.
    unsafe { _mm256_loadu_si256(row.as_ptr().cast()) }
}

/// Puts back the first eight lanes of one word of the state.
#[inline]
#[target_feature(enable = "avx2")]
pub(crate) fn store_row256(row: &mut [u32; 16], register: __m256i) {
    // SAFETY: the reference is valid for writing 64 bytes, of which this writes 32, at any alignment.
    unsafe { _mm256_storeu_si256(row.as_mut_ptr().cast(), register) }
}

/// Loads sixty-four bytes.
#[inline]
#[target_feature(enable = "avx512f")]
pub(crate) fn load512(bytes: &[u8; 64]) -> __m512i {
    // SAFETY: the reference is valid for reading the 64 bytes, and this load has no alignment requirement.
    unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) }
}

/// Sixteen lanes of one word of the state.
#[inline]
#[target_feature(enable = "avx512f")]
pub(crate) fn load_row512(row: &[u32; 16]) -> __m512i {
    // SAFETY: the reference is valid for reading the 64 bytes, and this load has no alignment requirement.
    unsafe { _mm512_loadu_si512(row.as_ptr().cast()) }
}

/// Puts back sixteen lanes of one word of the state.
#[inline]
#[target_feature(enable = "avx512f")]
pub(crate) fn store_row512(row: &mut [u32; 16], register: __m512i) {
    // SAFETY: the reference is valid for writing the 64 bytes, and this store has no alignment requirement.
    unsafe { _mm512_storeu_si512(row.as_mut_ptr().cast(), register) }
}

/// Turns the bytes of each word around.
#[inline]
#[target_feature(enable = "avx2")]
pub(crate) fn big_endian256(x: __m256i) -> __m256i {
    let order = _mm256_set_epi64x(
        0x0c0d_0e0f_0809_0a0b,
        0x0405_0607_0001_0203,
        0x0c0d_0e0f_0809_0a0b,
        0x0405_0607_0001_0203,
    );
    _mm256_shuffle_epi8(x, order)
}

/// Rotates each word left by `LEFT` bits, for which AVX2 has no instruction; `RIGHT` is `32 - LEFT`.
#[inline]
#[target_feature(enable = "avx2")]
pub(crate) fn rotate_left256<const LEFT: i32, const RIGHT: i32>(x: __m256i) -> __m256i {
    const { assert!(LEFT + RIGHT == 32) };
    _mm256_or_si256(_mm256_slli_epi32::<LEFT>(x), _mm256_srli_epi32::<RIGHT>(x))
}

/// Word `i` of row `j` becomes word `j` of row `i`.
#[inline]
#[target_feature(enable = "avx2")]
pub(crate) fn transpose8(r: [__m256i; 8]) -> [__m256i; 8] {
    // Four rows at a time: `quads[4 * q + c]` holds column `c` of its half register, of the rows of quad `q`.
    let mut quads = r;
    for q in [0, 4] {
        let (lo01, hi01) = (_mm256_unpacklo_epi32(r[q], r[q + 1]), _mm256_unpackhi_epi32(r[q], r[q + 1]));
        let (lo23, hi23) =
            (_mm256_unpacklo_epi32(r[q + 2], r[q + 3]), _mm256_unpackhi_epi32(r[q + 2], r[q + 3]));
        quads[q] = _mm256_unpacklo_epi64(lo01, lo23);
        quads[q + 1] = _mm256_unpackhi_epi64(lo01, lo23);
        quads[q + 2] = _mm256_unpacklo_epi64(hi01, hi23);
        quads[q + 3] = _mm256_unpackhi_epi64(hi01, hi23);
    }
    let mut out = r;
    for c in 0..4 {
        out[c] = _mm256_permute2x128_si256::<0x20>(quads[c], quads[4 + c]);
        out[4 + c] = _mm256_permute2x128_si256::<0x31>(quads[c], quads[4 + c]);
    }
    out
}

/// Word `i` of row `j` becomes word `j` of row `i`.
#[inline]
#[target_feature(enable = "avx512f")]
pub(crate) fn transpose16(r: [__m512i; 16]) -> [__m512i; 16] {
    // Four rows at a time: `quads[4 * q + c]` holds column `c` of its quarter register, of the rows of quad `q`.
    let mut quads = r;
    for q in [0, 4, 8, 12] {
        let (lo01, hi01) = (_mm512_unpacklo_epi32(r[q], r[q + 1]), _mm512_unpackhi_epi32(r[q], r[q + 1]));
        let (lo23, hi23) =
            (_mm512_unpacklo_epi32(r[q + 2], r[q + 3]), _mm512_unpackhi_epi32(r[q + 2], r[q + 3]));
        quads[q] = _mm512_unpacklo_epi64(lo01, lo23);
        quads[q + 1] = _mm512_unpackhi_epi64(lo01, lo23);
        quads[q + 2] = _mm512_unpacklo_epi64(hi01, hi23);
        quads[q + 3] = _mm512_unpackhi_epi64(hi01, hi23);
    }
    // Then a 4x4 transpose of quarter registers for each column.
    let mut out = r;
    for c in 0..4 {
        let [q0, q1, q2, q3] = [quads[c], quads[4 + c], quads[8 + c], quads[12 + c]];
        let (low01, low23) = (_mm512_shuffle_i32x4::<0x44>(q0, q1), _mm512_shuffle_i32x4::<0x44>(q2, q3));
        let (high01, high23) = (_mm512_shuffle_i32x4::<0xee>(q0, q1), _mm512_shuffle_i32x4::<0xee>(q2, q3));
        out[c] = _mm512_shuffle_i32x4::<0x88>(low01, low23);
        out[4 + c] = _mm512_shuffle_i32x4::<0xdd>(low01, low23);
        out[8 + c] = _mm512_shuffle_i32x4::<0x88>(high01, high23);
        out[12 + c] = _mm512_shuffle_i32x4::<0xdd>(high01, high23);
    }
    out
}
