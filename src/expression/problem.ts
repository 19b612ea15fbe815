/** Something wrong with an expression, in words for the person who wrote it. */
export interface ExpressionProblem {
  readonly message: string;
  /** Where in the text of the expression, in UTF-16 units from its start. */
  readonly offset: number;
}
