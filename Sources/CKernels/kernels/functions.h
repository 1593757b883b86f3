// exp, log, tanh and erf of sixteen floats. The polynomial coefficients are computed by scripts/fit_polynomials.py.
#define MASK_ALL ((i32x16)-1)

/// 1 + r + r^2 P(r) for |r| <= ln 2 / 2.
INLINE f32x16 exp_of_remainder(f32x16 r) {
    f32x16 p = splat(0.00139505998f);
    p = fma16(p, r, splat(0.00836895406f));
    p = fma16(p, r, splat(0.041666206f));
    p = fma16(p, r, splat(0.166665182f));
    p = fma16(p, r, splat(0.5f));
    return fma16(p, r * r, r) + splat(1.0f);
}

// x = n ln 2 + r. Adding 1.5 * 2^23 rounds to an integer and leaves it in the lowest bits; ln 2 is split into two
// parts, the first short enough that n times it is exact.
#define EXP_REDUCE(x, magic)                                      \
    f32x16 shifted = fma16(x, splat(1.44269504f), splat(magic)); \
    f32x16 n = shifted - splat(magic);                            \
    f32x16 r = fma16(n, splat(-0.693145752f), x);                 \
    r = fma16(n, splat(-1.42860677e-6f), r)

/// exp(x) for x <= 0, with an error below 2 units in the last place; 0 where the result would be subnormal.
INLINE f32x16 exp_nonpositive(f32x16 x) {
    // With 127 added, the lowest bits are the exponent field of 2^n.
    EXP_REDUCE(x, 12583039.0f);
    f32x16 result = exp_of_remainder(r) * from_bits(bits(shifted) << 23);
    return choose(x < splat(-87.33f), splat(0.0f), result);
}

/// exp(x), with an error below 2 units in the last place, including subnormal results and overflow to infinity.
INLINE f32x16 exp16(f32x16 x) {
    x = choose(x > splat(89.0f), splat(89.0f), x);
    x = choose(x < splat(-104.0f), splat(-104.0f), x);
    EXP_REDUCE(x, 12582912.0f);
    // 2^n as two factors, each a normal number.
    i32x16 whole = bits(shifted) - 0x4B400000, half = whole >> 1;
    f32x16 result = exp_of_remainder(r) * from_bits((half + 127) << 23);
    return result * from_bits((whole - half + 127) << 23);
}

/// log(x), with an error below 2 units in the last place: log(0) is -infinity, negative numbers give NaN.
INLINE f32x16 log16(f32x16 x) {
    i32x16 subnormal = x < splat(0x1p-126f);
    f32x16 scaled = choose(subnormal, x * splat(0x1p23f), x);
    // x = 2^e m with m between sqrt(1/2) and sqrt(2).
    i32x16 offset = bits(scaled) - 0x3F3504F3;
    f32x16 e = __builtin_convertvector((offset >> 23) - (subnormal & 23), f32x16);
    f32x16 f = from_bits((offset & 0x007FFFFF) + 0x3F3504F3) - splat(1.0f);
    f32x16 p = splat(0.0691536814f);
    p = fma16(p, f, splat(-0.117898077f));
    p = fma16(p, f, splat(0.118729763f));
    p = fma16(p, f, splat(-0.123843484f));
    p = fma16(p, f, splat(0.142186582f));
    p = fma16(p, f, splat(-0.16669251f));
    p = fma16(p, f, splat(0.200022265f));
    p = fma16(p, f, splat(-0.249999866f));
    p = fma16(p, f, splat(0.333333105f));
    f32x16 square = f * f;
    f32x16 tail = fma16(p * square, f, splat(-0.5f) * square);
    tail = fma16(e, splat(1.42860677e-6f), tail);
    f32x16 result = fma16(e, splat(0.693145752f), f + tail);
    result = choose(x == splat(INFINITY), x, result);
    result = choose(x == splat(0.0f), splat(-INFINITY), result);
    return choose(x >= splat(0.0f), result, splat(NAN));
}

INLINE f32x16 tanh16(f32x16 x) {
    f32x16 a = magnitude(x), square = x * x;
    f32x16 p = splat(0.00212274259f);
    p = fma16(p, square, splat(-0.00815627631f));
    p = fma16(p, square, splat(0.0216926057f));
    p = fma16(p, square, splat(-0.0539453775f));
    p = fma16(p, square, splat(0.133331954f));
    p = fma16(p, square, splat(-0.333333313f));
    f32x16 small = fma16(p * square, a, a);
    f32x16 large = splat(1.0f) - splat(2.0f) / (exp16(a + a) + splat(1.0f));
    return with_sign_of(choose(square < splat(0.4f), small, large), x);
}

INLINE f32x16 erf16(f32x16 x) {
    f32x16 a = magnitude(x), square = x * x;
    f32x16 p = splat(7.8891193e-05f);
    p = fma16(p, square, splat(-0.000802084105f));
    p = fma16(p, square, splat(0.00518953521f));
    p = fma16(p, square, splat(-0.0268544443f));
    p = fma16(p, square, splat(0.112836003f));
    p = fma16(p, square, splat(-0.37612626f));
    p = fma16(p, square, splat(0.128379166f));
    f32x16 small = fma16(p, a, a);
    // erfc(4) is less than half a unit in the last place of 1.
    f32x16 u = choose(a > splat(4.0f), splat(4.0f), a) - splat(2.0f);
    f32x16 q = splat(-2.51327123e-07f);
    q = fma16(q, u, splat(2.12935811e-05f));
    q = fma16(q, u, splat(-0.000137529278f));
    q = fma16(q, u, splat(0.000730775995f));
    q = fma16(q, u, splat(-0.00357035012f));
    q = fma16(q, u, splat(0.01646569f));
    q = fma16(q, u, splat(0.923750937f));
    q = fma16(q, u, splat(4.41816092f));
    q = fma16(q, u, splat(5.36494112f));
    f32x16 large = splat(1.0f) - exp_nonpositive(-q);
    return with_sign_of(choose(a < splat(1.0f), small, large), x);
}

INLINE f32x16 sigmoid16(f32x16 x) { return splat(1.0f) / (splat(1.0f) + exp16(-x)); }
INLINE f32x16 silu16(f32x16 x) { return x / (splat(1.0f) + exp16(-x)); }
INLINE f32x16 gelu16(f32x16 x) {
    f32x16 half = splat(0.5f) * x;
    return fma16(half, erf16(x * splat(0.707106781f)), half);
}
INLINE f32x16 gelu_tanh16(f32x16 x) {
    // half x (1 + tanh(y)) = x / (1 + exp(-2 y)), with fewer operations and no cancellation for negative x.
    f32x16 y = x * fma16(splat(0.0713548163f), x * x, splat(1.59576912f));
    return x / (splat(1.0f) + exp16(-y));
}
INLINE f32x16 gelu_quick16(f32x16 x) { return x / (splat(1.0f) + exp16(splat(-1.702f) * x)); }
