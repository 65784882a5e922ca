/** One clock for requests: what is in time, how long executions take, who goes next. Light: instances load it. */
export { movingMean } from './moving-mean';
export { type ExecutionFigures, PREDICTION, Predictor, type PredictorOptions, TAIL } from './predictor';
export { answerMs, isTimely } from './timely';
export { type Throughput, underWay } from './under-way';
export { givesWay, type Waiting, WaitingLine } from './waiting-line';
