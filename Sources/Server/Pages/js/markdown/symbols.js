/** What TeX's commands look like. */
const pairs = (text) => Object.fromEntries(text.trim().split(/\s+/).map((pair) => {
  const cut = pair.indexOf(":");
  return [pair.slice(0, cut), pair.slice(cut + 1)];
}));

export const greek = pairs(`alpha:α beta:β gamma:γ delta:δ epsilon:ϵ varepsilon:ε zeta:ζ eta:η theta:θ vartheta:ϑ iota:ι
  kappa:κ lambda:λ mu:μ nu:ν xi:ξ omicron:ο pi:π varpi:ϖ rho:ρ varrho:ϱ sigma:σ varsigma:ς tau:τ upsilon:υ phi:ϕ
  varphi:φ chi:χ psi:ψ omega:ω Gamma:Γ Delta:Δ Theta:Θ Lambda:Λ Xi:Ξ Pi:Π Sigma:Σ Upsilon:Υ Phi:Φ Psi:Ψ Omega:Ω
  infty:∞ partial:∂ nabla:∇ ell:ℓ hbar:ℏ Re:ℜ Im:ℑ aleph:ℵ emptyset:∅ varnothing:∅ imath:ı jmath:ȷ degree:°`);

export const operators = pairs(`sum:∑ prod:∏ coprod:∐ bigcup:⋃ bigcap:⋂ bigoplus:⨁ bigotimes:⨂ bigvee:⋁ bigwedge:⋀
  int:∫ iint:∬ iiint:∭ oint:∮ times:× cdot:⋅ div:÷ pm:± mp:∓ ast:∗ star:⋆ circ:∘ bullet:∙ oplus:⊕ ominus:⊖ otimes:⊗
  odot:⊙ cup:∪ cap:∩ setminus:∖ wedge:∧ land:∧ vee:∨ lor:∨ neg:¬ lnot:¬ le:≤ leq:≤ leqslant:≤ ge:≥ geq:≥ geqslant:≥
  ne:≠ neq:≠ equiv:≡ approx:≈ sim:∼ simeq:≃ cong:≅ propto:∝ ll:≪ gg:≫ prec:≺ succ:≻ in:∈ notin:∉ ni:∋ subset:⊂
  subseteq:⊆ supset:⊃ supseteq:⊇ forall:∀ exists:∃ nexists:∄ to:→ rightarrow:→ leftarrow:← gets:← leftrightarrow:↔
  Rightarrow:⇒ implies:⟹ Leftarrow:⇐ Leftrightarrow:⇔ iff:⟺ mapsto:↦ longrightarrow:⟶ uparrow:↑ downarrow:↓ mid:∣
  parallel:∥ perp:⊥ angle:∠ triangle:△ therefore:∴ because:∵ cdots:⋯ ldots:… dots:… dotsc:… vdots:⋮ ddots:⋱ colon::
  prime:′ top:⊤ bot:⊥ vdash:⊢ models:⊨ lbrace:{ rbrace:} backslash:∖ square:□ blacksquare:■ checkmark:✓ dagger:†`);

export const functions = new Set(`sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh log ln lg exp lim max min sup
  inf limsup liminf det dim ker gcd deg arg hom Pr mod argmax argmin`.split(/\s+/));

export const accents = pairs(`hat:^ widehat:^ bar:¯ overline:¯ tilde:~ widetilde:~ vec:→ dot:˙ ddot:¨ overrightarrow:→
  overbrace:⏞ underbrace:⏟ underline:_ acute:´ grave:\` check:ˇ breve:˘`);

/** Letters moved into a block of mathematical alphanumerics, with the few that stand elsewhere. */
const block = (upper, lower, digit, others = {}) => (letter) => {
  if (others[letter]) return others[letter];
  const code = letter.codePointAt(0);
  if (upper && code >= 65 && code <= 90) return String.fromCodePoint(upper + code - 65);
  if (lower && code >= 97 && code <= 122) return String.fromCodePoint(lower + code - 97);
  if (digit && code >= 48 && code <= 57) return String.fromCodePoint(digit + code - 48);
  return letter;
};
const blackboard = block(0x1d538, 0x1d552, 0x1d7d8, { C: "ℂ", H: "ℍ", N: "ℕ", P: "ℙ", Q: "ℚ", R: "ℝ", Z: "ℤ" });
const script = block(0x1d49c, 0x1d4b6, 0, { B: "ℬ", E: "ℰ", F: "ℱ", H: "ℋ", I: "ℐ", L: "ℒ", M: "ℳ", R: "ℛ", e: "ℯ", g: "ℊ",
  o: "ℴ" });
const bold = block(0x1d400, 0x1d41a, 0x1d7ce);

export const alphabets = {
  mathbb: blackboard, mathcal: script, mathscr: script, mathbf: bold, boldsymbol: bold, bm: bold,
  mathfrak: block(0x1d504, 0x1d51e, 0, { C: "ℭ", H: "ℌ", I: "ℑ", R: "ℜ", Z: "ℨ" }), mathsf: block(0x1d5a0, 0x1d5ba, 0x1d7e2),
  mathit: (letter) => letter, mathnormal: (letter) => letter,
};
