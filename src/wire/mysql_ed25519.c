#include <openssl/bn.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <stdbool.h>
#include <string.h>

#include "wire/mysql_ed25519.h"

#define HASH	64		/* bytes of SHA-512 */
#define SCALAR	32
#define BITS	256

/* The field's prime, the base point's order, 2d, and the base point. */
static const char	 prime_hex[] =
    "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffed";
static const char	 order_hex[] =
    "1000000000000000000000000000000014def9dea2f79cd65812631a5cf5d3ed";
static const char	 two_d_hex[] =
    "2406d9dc56dffce7198e80f2eef3d13000e0149a8283b156ebd69b9426b2f159";
static const char	 base_x_hex[] =
    "216936d3cd6e53fec0a4e231fdd6dc5c692cc7609525a7b2c9562d608f25d51a";
static const char	 base_y_hex[] =
    "6666666666666666666666666666666666666666666666666666666666666658";

/* Extended coordinates: x = X/Z, y = Y/Z, T = XY/Z, in Montgomery's form. */
struct point {
	BIGNUM	*x, *y, *z, *t;
};

struct curve {
	BN_CTX		*ctx;
	BN_MONT_CTX	*mont;
	BIGNUM		*p, *order, *two_d;
	struct point	 base;
	BIGNUM		*v[8];		/* for adding */
};

static int
times(struct curve *c, BIGNUM *r, const BIGNUM *a, const BIGNUM *b)
{
	return BN_mod_mul_montgomery(r, a, b, c->mont, c->ctx);
}

/* Complete: also for a point and itself.  r may be a or b.  1, or 0. */
static int
add(struct curve *c, struct point *r, const struct point *a,
    const struct point *b)
{
	BIGNUM	**v = c->v;
	BIGNUM	*e = v[4], *f = v[5], *g = v[6], *h = v[7];

	return BN_mod_sub_quick(v[0], a->y, a->x, c->p) &&
	    BN_mod_sub_quick(v[1], b->y, b->x, c->p) &&
	    times(c, v[0], v[0], v[1]) &&
	    BN_mod_add_quick(v[1], a->y, a->x, c->p) &&
	    BN_mod_add_quick(v[2], b->y, b->x, c->p) &&
	    times(c, v[1], v[1], v[2]) &&
	    times(c, v[2], a->t, c->two_d) && times(c, v[2], v[2], b->t) &&
	    BN_mod_add_quick(v[3], a->z, a->z, c->p) &&
	    times(c, v[3], v[3], b->z) &&
	    BN_mod_sub_quick(e, v[1], v[0], c->p) &&
	    BN_mod_sub_quick(f, v[3], v[2], c->p) &&
	    BN_mod_add_quick(g, v[3], v[2], c->p) &&
	    BN_mod_add_quick(h, v[1], v[0], c->p) &&
	    times(c, r->x, e, f) && times(c, r->y, g, h) &&
	    times(c, r->t, e, h) && times(c, r->z, f, g);
}

static struct point
new_point(struct curve *c)
{
	return (struct point){ BN_CTX_get(c->ctx), BN_CTX_get(c->ctx),
	    BN_CTX_get(c->ctx), BN_CTX_get(c->ctx) };
}

static int
set(struct curve *c, BIGNUM *r, const char *hex)
{
	return BN_hex2bn(&r, hex) > 0 && BN_to_montgomery(r, r, c->mont,
	    c->ctx);
}

/* All of them are the context's, which frees them.  1, or 0. */
static int
begin(struct curve *c)
{
	c->ctx = BN_CTX_secure_new();
	c->mont = BN_MONT_CTX_new();
	if (c->ctx == NULL || c->mont == NULL)
		return 0;
	BN_CTX_start(c->ctx);
	c->p = BN_CTX_get(c->ctx);
	c->order = BN_CTX_get(c->ctx);
	c->two_d = BN_CTX_get(c->ctx);
	c->base = new_point(c);
	for (size_t i = 0; i < sizeof(c->v) / sizeof(c->v[0]); i++)
		c->v[i] = BN_CTX_get(c->ctx);
	/* The last one is NULL if any is. */
	return c->v[7] != NULL && BN_hex2bn(&c->p, prime_hex) > 0 &&
	    BN_hex2bn(&c->order, order_hex) > 0 &&
	    BN_MONT_CTX_set(c->mont, c->p, c->ctx) &&
	    set(c, c->two_d, two_d_hex) && set(c, c->base.x, base_x_hex) &&
	    set(c, c->base.y, base_y_hex) && set(c, c->base.z, "1") &&
	    times(c, c->base.t, c->base.x, c->base.y);
}

static void
end(struct curve *c)
{
	if (c->ctx != NULL)
		BN_CTX_end(c->ctx);
	BN_MONT_CTX_free(c->mont);
	BN_CTX_free(c->ctx);
}

static int
copy(struct point *to, const struct point *from)
{
	return BN_copy(to->x, from->x) != NULL &&
	    BN_copy(to->y, from->y) != NULL &&
	    BN_copy(to->z, from->z) != NULL && BN_copy(to->t, from->t) != NULL;
}

/* As it is written: y, little-endian, and the lowest bit of x. */
static int
write_point(struct curve *c, const struct point *a, uint8_t *out)
{
	BIGNUM	*z = c->v[0], *x = c->v[1], *y = c->v[2];

	if (!BN_from_montgomery(z, a->z, c->mont, c->ctx) ||
	    BN_mod_inverse(z, z, c->p, c->ctx) == NULL ||
	    /* One factor in Montgomery's form is taken out of it. */
	    !times(c, x, a->x, z) || !times(c, y, a->y, z) ||
	    BN_bn2lebinpad(y, out, SCALAR) != SCALAR)
		return 0;
	if (BN_is_odd(x))
		out[SCALAR - 1] |= 0x80;
	return 1;
}

/* So many times the base point, written; the same steps for any number. */
static int
times_base(struct curve *c, const BIGNUM *n, uint8_t *out)
{
	struct point	 sums[2];	/* and what it would be, were a bit
					   set */
	int		 ok;

	BN_CTX_start(c->ctx);
	sums[0] = new_point(c);
	sums[1] = new_point(c);
	ok = sums[1].t != NULL && set(c, sums[0].y, "1") &&
	    set(c, sums[0].z, "1");
	if (ok) {
		BN_zero(sums[0].x);
		BN_zero(sums[0].t);
	}
	for (int i = BITS - 1; i >= 0 && ok; i--) {
		ok = add(c, &sums[0], &sums[0], &sums[0]) &&
		    add(c, &sums[1], &sums[0], &c->base) &&
		    copy(&sums[0], &sums[BN_is_bit_set(n, i)]);
	}
	ok = ok && write_point(c, &sums[0], out);
	BN_CTX_end(c->ctx);
	return ok;
}

/* SHA-512 of up to three pieces. */
static int
hash(uint8_t *out, const void *a, size_t na, const void *b, size_t nb,
    const void *d, size_t nd)
{
	EVP_MD_CTX	*ctx = EVP_MD_CTX_new();
	int		 ok;

	ok = ctx != NULL && EVP_DigestInit_ex(ctx, EVP_sha512(), NULL) &&
	    EVP_DigestUpdate(ctx, a, na) && EVP_DigestUpdate(ctx, b, nb) &&
	    EVP_DigestUpdate(ctx, d, nd) && EVP_DigestFinal_ex(ctx, out, NULL);
	EVP_MD_CTX_free(ctx);
	return ok;
}

static int
sign(struct curve *c, const uint8_t *wide, struct mysql_bytes nonce,
    uint8_t *out)
{
	BIGNUM	*a = BN_CTX_get(c->ctx), *r = BN_CTX_get(c->ctx);
	BIGNUM	*k = BN_CTX_get(c->ctx), *s = BN_CTX_get(c->ctx);
	uint8_t	 scalar[SCALAR], sum[HASH], public[SCALAR];
	uint8_t	 both[2 * SCALAR];
	int	 ok;

	memcpy(scalar, wide, SCALAR);
	scalar[0] &= 0xf8;
	scalar[SCALAR - 1] = (scalar[SCALAR - 1] & 0x3f) | 0x40;
	ok = s != NULL && BN_lebin2bn(scalar, SCALAR, a) != NULL &&
	    times_base(c, a, public) &&
	    hash(sum, wide + SCALAR, SCALAR, nonce.p, nonce.len, "", 0) &&
	    BN_lebin2bn(sum, HASH, r) != NULL &&
	    BN_mod(r, r, c->order, c->ctx) && times_base(c, r, out);
	if (ok) {
		memcpy(both, out, SCALAR);
		memcpy(both + SCALAR, public, SCALAR);
		ok = hash(sum, both, sizeof(both), nonce.p, nonce.len, "",
		    0) && BN_lebin2bn(sum, HASH, k) != NULL &&
		    BN_mod_mul(k, k, a, c->order, c->ctx) &&
		    BN_mod_add(s, r, k, c->order, c->ctx) &&
		    BN_bn2lebinpad(s, out + SCALAR, SCALAR) == SCALAR;
	}
	OPENSSL_cleanse(scalar, sizeof(scalar));
	OPENSSL_cleanse(sum, sizeof(sum));
	return ok;
}

int
mysql_ed25519_sign(struct mysql_bytes password, struct mysql_bytes nonce,
    uint8_t *out)
{
	struct curve	 c = { .ctx = NULL };
	uint8_t		 wide[HASH];
	int		 ok;

	ok = hash(wide, password.p, password.len, "", 0, "", 0) &&
	    begin(&c) && sign(&c, wide, nonce, out);
	end(&c);
	OPENSSL_cleanse(wide, sizeof(wide));
	return ok ? 0 : -1;
}
