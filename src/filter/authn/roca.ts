/** What a modulus is tested by: the primes of which the weak library built its own (Nemec et al., 2017, 2.1). */
const primes = oddPrimesUpTo(167);

/** What is left of every such modulus, divided by each of them: a power of 65537. */
const remainders: readonly (readonly [prime: bigint, powers: ReadonlySet<bigint>])[] = primes.map((prime) => {
  const modulus = BigInt(prime);
  const powers = new Set<bigint>();
  for (let power = 1n; !powers.has(power); power = (power * 65_537n) % modulus) powers.add(power);
  return [modulus, powers];
});

/**
 * Whether the modulus of an RSA key has the form by which the private key can be found (CVE-2017-15361, ROCA). A good
 * modulus has it by chance once in more than 10^8.
 */
export function hasRocaForm(modulus: bigint): boolean {
  return remainders.every(([prime, powers]) => powers.has(modulus % prime));
}

function oddPrimesUpTo(max: number): number[] {
  const found: number[] = [];
  for (let n = 3; n <= max; n += 2) if (found.every((prime) => n % prime !== 0)) found.push(n);
  return found;
}
