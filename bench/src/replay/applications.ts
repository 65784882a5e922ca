/** The applications of the paper's evaluation, by the models of the zoo that they are made of. */
export const APPLICATIONS: Readonly<Record<string, readonly string[]>> = {
  traffic: ['ssd', 'mobilenet-v2', 'resnet50'],
  questions: ['textcnn', 'stt', 'dssm'],
  // Both have the same encoder.
  documents: ['bert', 'bert-qa'],
  images: ['resnet101', 'resnet152', 'vgg16'],
};
