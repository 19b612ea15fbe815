import { Category } from "#gen/shop/v1/catalog_pb";
import type { Good } from "./good.ts";

/** Lessons to listen to, and one to come to. */
export const lessons: readonly Good[] = [
  {
    id: "turkish-in-thirty-stops",
    title: "Turkish in thirty stops",
    subtitle: "A lesson for each station of the line",
    description:
      "Thirty lessons of ten minutes with two voices and one pupil who makes your mistakes for you.",
    category: Category.COURSES,
    cents: 3900,
    tags: ["languages", "audio"],
    labels: { language: "tr", level: "A1" },
    attributes: { lessons: 30, minutes: 312 },
    delivery: { kind: "download", bytes: 449_280_000 },
    reviews: [
      ["Oskar", 5, "I ordered the right soup."],
      ["Maude", 4, "The pupil is slower than me. That is kind."],
    ],
  },
  {
    id: "arabic-by-ear",
    title: "Levantine Arabic by ear",
    description: "No alphabet, no grammar: forty scenes from one street, each slow, then fast.",
    category: Category.COURSES,
    cents: 4500,
    tags: ["languages", "audio"],
    labels: { language: "apc", level: "A1-A2" },
    attributes: { lessons: 40, minutes: 520 },
    delivery: { kind: "download", bytes: 748_800_000 },
    reviews: [["Jo", 5, "The neighbour from scene 12 is real, I have met her."]],
  },
  {
    id: "tea-for-the-patient",
    title: "Tea for the patient",
    description: "Six films on leaf, water and time.",
    category: Category.COURSES,
    cents: 2900,
    tags: ["tea", "video"],
    labels: { language: "en" },
    attributes: { lessons: 6, minutes: 95 },
    delivery: { kind: "download", bytes: 5_368_709_120 },
  },
  {
    id: "calligraphy-evening",
    title: "Calligraphy, an evening",
    subtitle: "With Master Hafiz, tea included",
    description: "Three hours, eight places, one letter. Come with clean hands and go with black ones.",
    category: Category.COURSES,
    cents: 7500,
    tags: ["calligraphy", "evening"],
    labels: { language: "tr, en", places: "8" },
    delivery: { kind: "desk", desk: "The long table, second floor" },
    minimumAge: 12,
    reviews: [["Linus", 5, "It was the letter he. It is not easy, the letter he."]],
  },
];
