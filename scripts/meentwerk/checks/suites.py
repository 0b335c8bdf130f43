"""TLS by its numbers, and what NCSC-NL says of each (ICT security guidelines for TLS, 2025-05; the statute pins 2.1).

Only what is good or sufficient has a name here; everything else is offered by number, and is a finding where accepted.
"""

GOOD, SUFFICIENT = "good", "sufficient"

# Number: name, grade. Appendix B of the guideline. TLS 1.3's own numbers begin with 0x13.
CIPHERS = {
    0x1302: ("TLS_AES_256_GCM_SHA384", GOOD),
    0x1303: ("TLS_CHACHA20_POLY1305_SHA256", GOOD),
    0x1301: ("TLS_AES_128_GCM_SHA256", SUFFICIENT),
    0x1304: ("TLS_AES_128_CCM_SHA256", SUFFICIENT),
    0xC02C: ("ECDHE-ECDSA-AES256-GCM-SHA384", SUFFICIENT),
    0xC030: ("ECDHE-RSA-AES256-GCM-SHA384", SUFFICIENT),
    0xCCA9: ("ECDHE-ECDSA-CHACHA20-POLY1305", SUFFICIENT),
    0xCCA8: ("ECDHE-RSA-CHACHA20-POLY1305", SUFFICIENT),
    0xC02B: ("ECDHE-ECDSA-AES128-GCM-SHA256", SUFFICIENT),
    0xC02F: ("ECDHE-RSA-AES128-GCM-SHA256", SUFFICIENT),
    0xC0AD: ("ECDHE-ECDSA-AES256-CCM", SUFFICIENT),
    0xC0AC: ("ECDHE-ECDSA-AES128-CCM", SUFFICIENT),
}
# IANA's ranges of TLS 1.2 and older (RC4, 3DES, CBC, static RSA, anonymous, GOST ... whatever has a number)
_RANGES = (range(0x0001, 0x00FF), range(0xC001, 0xC0B8), range(0xCC13, 0xCCAF), range(0xD001, 0xD006))
OTHER_CIPHERS = tuple(number for each in _RANGES for number in each if number not in CIPHERS)
OTHER_CIPHERS_13 = (0x1305,)

HYBRID_GROUPS = {0x11EC: "X25519MLKEM768", 0x11EB: "SecP256r1MLKEM768", 0x11ED: "SecP384r1MLKEM1024"}
GROUPS = {
    23: "P-256",
    24: "P-384",
    25: "P-521",
    29: "X25519",
    30: "X448",
    26: "brainpoolP256r1",
    27: "brainpoolP384r1",
    28: "brainpoolP512r1",
    31: "brainpoolP256r1 (TLS 1.3)",
    32: "brainpoolP384r1 (TLS 1.3)",
    33: "brainpoolP512r1 (TLS 1.3)",
}
# P-224 (21) to be phased out, the other old curves and every finite field (256 to 260) insufficient or to be phased out
OTHER_GROUPS = (*range(1, 23), *range(256, 261))

SIGNATURES = {
    0x0403: "ECDSA SHA-256",
    0x0503: "ECDSA SHA-384",
    0x0603: "ECDSA SHA-512",
    0x0807: "Ed25519",
    0x0808: "Ed448",
    0x0804: "RSA-PSS SHA-256",
    0x0805: "RSA-PSS SHA-384",
    0x0806: "RSA-PSS SHA-512",
    0x0401: "RSA SHA-256",
    0x0501: "RSA SHA-384",
    0x0601: "RSA SHA-512",
}
# MD5, SHA-1 (insufficient) and SHA-224 (to be phased out), with RSA, DSA and ECDSA
OTHER_SIGNATURES = (0x0101, 0x0103, 0x0201, 0x0202, 0x0203, 0x0301, 0x0302, 0x0303)


def cipher_name(number: int) -> str:
    """Name a cipher suite, by its number where it has no place in the guideline."""
    return CIPHERS[number][0] if number in CIPHERS else f"0x{number:04X}"


def group_name(number: int) -> str:
    """Name a group."""
    return GROUPS.get(number) or HYBRID_GROUPS.get(number) or f"group {number}"


def signature_name(number: int) -> str:
    """Name a signature scheme."""
    return SIGNATURES.get(number) or f"0x{number:04X}"
